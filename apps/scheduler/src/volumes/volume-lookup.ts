import { type Caller, ProblemError, volumeIdSchema } from '@flexbso/contracts';
import type { StoreReader } from '../store/store.js';
import type { VolumeRecord } from './volume-record.js';

/** Finds a volume by id or name among those that the caller may see. Another tenant's is not found, like one that never was. */
export async function findVolume(
  reader: Pick<StoreReader, 'volume' | 'volumesNamed'>,
  reference: string,
  { tenantId }: Caller,
): Promise<VolumeRecord> {
  const byId = volumeIdSchema.safeParse(reference).success ? await reader.volume(reference) : null;
  if (byId && (tenantId === null || byId.tenantId === tenantId)) return byId;
  const [first, second] = await reader.volumesNamed(reference, tenantId);
  if (second) {
    throw new ProblemError({
      code: 'invalid-request',
      detail: `several tenants have a volume ${reference}; name it by its id`,
    });
  }
  if (first) return first;
  throw new ProblemError({ code: 'not-found', detail: `there is no volume ${reference}` });
}
