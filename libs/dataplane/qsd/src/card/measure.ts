import type { VolumeMeasurement } from '@flexbso/contracts';
import { readIfThere } from '../daemon/processes.js';

const RESIDENT_FIELD = /^VmRSS:\s+(\d+) kB$/m;

/**
 * What one volume's daemon did since it was started, from the kernel's books: bytes and calls of its
 * process (the daemon's own block statistics are empty). Traffic with remote legs goes by sendmsg and
 * recvmsg, which those books leave out. All zeros when the daemon does not run.
 */
export async function measureProcess(volumeId: string, pid: number | null): Promise<VolumeMeasurement> {
  const [io, status] =
    pid === null
      ? [null, null]
      : await Promise.all([readIfThere(`/proc/${pid}/io`), readIfThere(`/proc/${pid}/status`)]);
  const counter = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(io ?? '')?.[1] ?? 0);
  return {
    volumeId,
    readBytes: counter('rchar'),
    writtenBytes: counter('wchar'),
    readOperations: counter('syscr'),
    writeOperations: counter('syscw'),
    residentBytes: Number(RESIDENT_FIELD.exec(status ?? '')?.[1] ?? 0) * 1024,
  };
}
