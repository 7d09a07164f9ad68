import type { LaunchConfig } from '../config.js';
import { schemaReply, versionReply } from '../qmp/replies.js';
import { Daemon } from './daemon.js';

/** QEMU tells a guest of its device's new size from here on; 7.2 was seen not to. */
export const FIRST_MAJOR_WITH_RESIZE_NOTICE = 10;

export interface ProbedDaemon {
  /** As `10.0.2`. */
  readonly version: string;
  readonly major: number;
  /** Every command that it has, and every value that any of its arguments takes: drivers, export types, object types. */
  readonly names: ReadonlySet<string>;
}

/**
 * Starts a daemon of the installed kind, asks it what it is, and stops it. What is installed is not always what was expected.
 * `name` tells probes in one run directory apart; one that is left over from an agent that died is used and then ended.
 */
export async function probeDaemon(config: LaunchConfig, name: string): Promise<ProbedDaemon> {
  const daemon = new Daemon(config, `.probe-${name}`);
  await daemon.start();
  try {
    const { qemu } = await daemon.qmp.execute('query-version', {}, versionReply);
    const schema = await daemon.qmp.execute('query-qmp-schema', {}, schemaReply);
    const commands = schema.filter((entry) => entry['meta-type'] === 'command').map((entry) => entry.name);
    return {
      version: `${qemu.major}.${qemu.minor}.${qemu.micro}`,
      major: qemu.major,
      names: new Set([...commands, ...schema.flatMap((entry) => entry.values ?? [])]),
    };
  } finally {
    await daemon.stop();
  }
}
