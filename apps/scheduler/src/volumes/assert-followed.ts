import { ProblemError } from '@flexbso/contracts';
import type { Fleet } from '@flexbso/placement';
import type { Aggregate } from '../changes/draft.js';

/**
 * After a restore nothing is decided about a volume before its card and its pools follow the restored database: what is
 * recorded of it may not be what runs. @throws ProblemError `diverged`
 */
export function assertFollowed(fleet: Fleet, { volume, legs }: Aggregate): void {
  const pool = legs.find(({ poolId }) => fleet.follows('pool', poolId) !== 'this');
  const isOnDivergedCard = fleet.follows('card', volume.cardId) !== 'this';
  if (!isOnDivergedCard && pool === undefined) return;
  const who = isOnDivergedCard ? `card ${volume.cardId}` : `pool ${pool?.poolId}`;
  throw new ProblemError({
    code: 'diverged',
    detail: `${who} follows another life of the database than this one, which was restored, or has not said yet which: settle what differs there first (flexbso get differences)`,
    facts: { volumeId: volume.volumeId },
  });
}
