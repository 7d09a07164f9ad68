import type { VolumePatch } from '@flexbso/contracts';
import { isSame } from '@flexbso/stack';
import type { VolumeWant } from './volume-record.js';

export type Difference =
  | 'labels'
  | 'qos'
  | 'size'
  | 'stack'
  | 'pools'
  | 'key'
  | 'alwaysRedundant'
  | 'snapshot'
  | 'content';

/** What a patch makes different, in the words of the API. `presentPoolIds` are the pools of the wanted stack's legs. */
export function differencesOf(want: VolumeWant, presentPoolIds: readonly string[], patch: VolumePatch): Difference[] {
  const differences: Difference[] = [];
  if (patch.labels !== undefined && !isSame(patch.labels, want.labels)) differences.push('labels');
  if (patch.qos !== undefined && !isSame(limitsOrNone(patch.qos), limitsOrNone(want.qos))) differences.push('qos');
  if (patch.sizeBytes !== undefined && patch.sizeBytes !== want.sizeBytes) differences.push('size');
  if (patch.stack !== undefined && !isSame(patch.stack, want.stack)) differences.push('stack');
  if (patch.placement !== undefined && !areAll(patch.placement.poolIds, presentPoolIds)) differences.push('pools');
  if (patch.rekey !== undefined && patch.rekey.from === want.keyRef) differences.push('key');
  if (patch.alwaysRedundant !== undefined && patch.alwaysRedundant !== (want.alwaysRedundant ?? false))
    differences.push('alwaysRedundant');
  return differences;
}

/** Whether the legs are where they were named to be. Where none is named, only placement knows. */
const areAll = (named: readonly string[], present: readonly string[]) =>
  named.length > 0 && named.every((poolId) => present.includes(poolId));

/** The want after the patch, on the same stack. An empty set of limits is none. */
export function patched(want: VolumeWant, patch: VolumePatch): VolumeWant {
  return {
    ...want,
    labels: patch.labels ?? want.labels,
    qos: patch.qos === undefined ? want.qos : limitsOrNone(patch.qos),
    sizeBytes: patch.sizeBytes ?? want.sizeBytes,
    stack: patch.stack ?? want.stack,
    alwaysRedundant: patch.alwaysRedundant ?? want.alwaysRedundant ?? false,
    placement: patch.placement ? { ...want.placement, poolIds: patch.placement.poolIds } : want.placement,
  };
}

function limitsOrNone(qos: VolumeWant['qos']): VolumeWant['qos'] {
  return qos === null || Object.keys(qos).length === 0 ? null : qos;
}

/** These are the scheduler's to mind, and no work of any agent. */
export function needsNoWork(differences: readonly Difference[]): boolean {
  return differences.every((one) => one === 'labels' || one === 'alwaysRedundant');
}

const beneathTheHead: readonly Difference[] = ['stack', 'pools', 'key'];

/** These are made beneath the head, by building a new stack; the others at the head. */
export function needsNewStack(differences: readonly Difference[]): boolean {
  return beneathTheHead.some((one) => differences.includes(one));
}
