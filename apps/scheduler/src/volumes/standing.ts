import { ProblemError } from '@flexbso/contracts';
import type { Aggregate } from '../changes/draft.js';
import type { Difference } from './differences.js';
import { isCarriedByNobody } from './propose-failover.js';
import type { VolumeRecord } from './volume-record.js';

/** @throws ProblemError `change-refused` for a volume that was never made, or that a failover left without a card */
export function assertMade(present: Aggregate): void {
  const { volume, change } = present;
  if (volume.state === 'failed') {
    throw new ProblemError({
      code: 'change-refused',
      detail: `volume ${volume.name} was never made (${change.problem?.detail ?? 'its creation failed'}); delete it and create it again`,
    });
  }
  if (isCarriedByNobody(present)) {
    throw new ProblemError({
      code: 'change-refused',
      detail: `nothing carries volume ${volume.name}: its failover ${change.changeId} was ${change.state} (${change.problem?.detail ?? 'no reason given'}); fail it over again, to the same card or another`,
      facts: { changeId: change.changeId },
    });
  }
}

/** Of a detached volume these are only written down; they are in force from its next attachment on. */
const withoutACard: readonly Difference[] = ['labels', 'alwaysRedundant', 'qos'];

/** @throws ProblemError `volume-detached` for what only a card can carry out */
export function refuseDetached({ name, want, cardId }: VolumeRecord, differences: readonly Difference[]): void {
  const needing = differences.filter((one) => !withoutACard.includes(one));
  if (!want.detached || needing.length === 0) return;
  throw new ProblemError({
    code: 'volume-detached',
    detail: `volume ${name} is detached, and a card has to carry it while its ${needing.join(' and ')} changes; attach it first (it was on ${cardId})`,
    facts: { differences: needing },
  });
}
