import { draftOf } from '../changes/draft.js';
import type { Decision } from '../decisions.js';
import { retellCard } from '../desired/desired-items.js';
import type { LegRecord } from '../legs/leg-record.js';
import type { VolumeRecord } from '../volumes/volume-record.js';

/** A leg is served elsewhere, or under another key: every clone that reads from it learns that, within its own operation. */
export async function tellClones(decision: Decision, { snapshots }: VolumeRecord, leg: LegRecord): Promise<void> {
  for (const { snapshotId } of snapshots)
    for (const { volumeId } of await decision.tx.volumesFrom(snapshotId)) await tellClone(decision, volumeId, leg);
}

async function tellClone(decision: Decision, volumeId: string, { legId, address, access }: LegRecord): Promise<void> {
  const before = await decision.read(volumeId);
  if (!before) return;
  const draft = draftOf(before);
  const { want, snapshots } = draft.volume;
  const bases = [...(want.bases ?? []), ...(draft.change.from?.bases ?? []), ...snapshots.flatMap((one) => one.bases)];
  for (const base of bases)
    if (base.legs) base.legs = base.legs.map((leg) => (leg.legId === legId ? { ...leg, address, access } : leg));
  const isGiven = draft.given?.bases?.some(({ legs }) => legs.some((leg) => leg.legId === legId)) ?? false;
  if (isGiven && address !== null)
    retellCard(draft, (stack) => ({
      ...stack,
      legs: stack.legs.map((leg) => (leg.legId === legId ? { ...leg, address, access } : leg)),
    }));
  await decision.write(before, draft, { by: 'scheduler', judged: false });
}
