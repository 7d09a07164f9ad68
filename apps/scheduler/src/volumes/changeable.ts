import { ProblemError } from '@flexbso/contracts';
import type { Aggregate } from '../changes/draft.js';
import { isCarriedByNobody } from './propose-failover.js';

/** @throws ProblemError `change-refused` for a volume that was never made, or that no card carries */
export function refuseUnchangeable(present: Aggregate): void {
  const { volume, change } = present;
  if (volume.state === 'failed') {
    throw new ProblemError({
      code: 'change-refused',
      detail: `volume ${volume.name} was never made (${change.problem?.detail ?? 'its creation failed'}); delete it and create it again`,
    });
  }
  if (!isCarriedByNobody(present)) return;
  throw new ProblemError({
    code: 'change-refused',
    detail: `nothing carries volume ${volume.name}: its failover ${change.changeId} was ${change.state} (${change.problem?.detail ?? 'no reason given'}); fail it over again, to the same card or another`,
    facts: { changeId: change.changeId },
  });
}
