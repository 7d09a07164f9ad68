import { ProblemError, type VolumePatch } from '@flexbso/contracts';
import type { Aggregate } from '../changes/draft.js';
import type { VolumeWant } from './volume-record.js';

const isEncrypted = ({ stack }: VolumeWant) => stack.layers.some(({ kind }) => kind === 'encryption');

/** A volume that has no key, or is to have none, is not re-keyed: whoever asks means another volume or another wish. */
export function refuseKeyOfNothing(
  { name, want: present }: Aggregate['volume'],
  wanted: VolumeWant,
  patch: VolumePatch,
): void {
  if (patch.rekey === undefined || (isEncrypted(present) && isEncrypted(wanted))) return;
  const detail = isEncrypted(present)
    ? `volume ${name} is to have no encryption layer any more, so there is no key to make for it; leave rekey out`
    : `volume ${name} has no encryption layer, so it has no key that could be replaced; switching encryption on makes one`;
  throw new ProblemError({ code: 'change-refused', detail, facts: { from: patch.rekey.from } });
}

/** Pools that an earlier change named may be more than a smaller stack needs; those that this one names may not. */
export function refuseSurplusPools(named: readonly string[], legCount: number): void {
  const isTwice = new Set(named).size < named.length;
  if (named.length <= legCount && !isTwice) return;
  const detail = isTwice
    ? `placement.poolIds names a pool twice (${named.join(', ')}); the legs of a volume are on different pools`
    : `placement.poolIds names ${named.length} pools (${named.join(', ')}) and the stack has ${legCount} ${legCount === 1 ? 'leg' : 'legs'}; name one pool for each leg, or fewer`;
  throw new ProblemError({ code: 'no-placement', detail, facts: { named: named.length, legs: legCount } });
}
