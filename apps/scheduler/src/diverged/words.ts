import { type DivergedVolume, MAX_SETTLING_TEXT } from '@flexbso/contracts';
import type { DifferingVolume } from './differences.js';
import type { FencedPart, HeldLeg, Verdict } from './judge.js';
import { namesOf } from './readers.js';

/** The contract's bound; a volume of more legs than that has its differences cut. */
const maxDifferences = 50;

/** A volume that differs, as the API shows it. */
export function divergedVolume(
  { volumeId, recorded, parts, differences }: DifferingVolume,
  verdict: Verdict,
): DivergedVolume {
  return {
    volumeId,
    name: recorded?.volume.name ?? null,
    since:
      recorded === null
        ? 'created'
        : parts.cards.length > 0 || verdict.kind === 'keep-detached' || verdict.kind === 'keep-lost'
          ? 'changed'
          : 'deleted',
    cardId: parts.cards[0]?.cardId ?? null,
    differences: differences
      .slice(0, maxDifferences)
      .map(({ role, agentId, id, what }) => ({ where: `${role} ${agentId}`, id, what: what.slice(0, 500) })),
    adopt: cut(adoptText(verdict, recorded !== null)),
    delete: cut(deleteText(verdict, recorded !== null)),
  };
}

type TakeOver = Extract<Verdict, { kind: 'take-over' }>;

const legsText = (legs: readonly HeldLeg[]) =>
  legs.map(({ poolId, given }) => `${given.legId} on ${poolId}`).join(', ');

interface Choice {
  readonly can: boolean;
  readonly what: string;
}
const cut = ({ can, what }: Choice): Choice => ({ can, what: what.slice(0, MAX_SETTLING_TEXT) });

export function adoptText(verdict: Verdict, isRecorded: boolean): Choice {
  if (verdict.kind === 'refused') return { can: false, what: verdict.why };
  const legs = deletedText(verdict.leftovers);
  if (verdict.kind === 'keep-detached') {
    const what = `${nobodyText(verdict.fenced)}: the books keep it detached, on ${legsText(verdict.legs)}${snapshotsText(verdict)}${legs}`;
    return { can: true, what };
  }
  if (verdict.kind === 'keep-lost') {
    const nobody = nobodyText(verdict.fenced);
    const lost =
      verdict.carrying.length > 0
        ? `; ${legsText(verdict.carrying)} carried it, and nobody can put together how: it is not attached before it was rolled back to a snapshot`
        : '';
    return { can: true, what: `${nobody}: the books keep it detached${snapshotsText(verdict)}${lost}${legs}` };
  }
  if (verdict.kind === 'end') {
    const nobody = nobodyText(verdict.fenced);
    if (verdict.leftovers.length === 0)
      return { can: false, what: `${nobody}, and no pool has a leg of it: nothing can be adopted; delete it` };
    const kept = legsText(verdict.leftovers);
    const what = `${nobody}, and its pools keep ${kept}, which carried it and are not recorded so: it may have been made or changed, and detached, since. Nobody can put it together again from this copy; restore a newer one, or delete it`;
    return { can: false, what };
  }
  if (verdict.kind === 'let-go') {
    return isRecorded
      ? { can: true, what: `nothing of it runs: the books let it go${legs}` }
      : { can: false, what: 'nothing of it runs, and only legs are left: delete it' };
  }
  const { given, cardId } = verdict;
  const key = given.stack.encryptionKey ? `; its key ${given.stack.encryptionKey.keyRef} stays as the card has it` : '';
  const where = given.stack.legs.map(({ legId, poolId }) => `${legId} on ${poolId}`).join(', ');
  return {
    can: true,
    what: `the books take over generation ${given.generation} on ${cardId}, which stands on ${where}${key}${originText(verdict)}${snapshotsText(verdict)}${legs}`,
  };
}

export function deleteText(verdict: Verdict, isRecorded: boolean): Choice {
  const isLost = verdict.kind === 'end' || verdict.kind === 'keep-lost';
  if (isRecorded && !isLost)
    return { can: false, what: 'it is recorded: adopt it; what runs then is deleted as any volume is' };
  if (verdict.kind === 'refused') return { can: false, what: verdict.why };
  const readers = 'readers' in verdict ? verdict.readers : [];
  if (readers.length > 0) {
    const what = `clones read from its snapshots: ${namesOf(readers)}: adopt it; when each of these is deleted, or moved to other pools, it is deleted as any volume is`;
    return { can: false, what };
  }
  return { can: true, what: `${endText(verdict)}${deletedText(deletedLegs(verdict))}` };
}

function endText(verdict: Exclude<Verdict, { kind: 'refused' }>): string {
  if (verdict.kind === 'let-go') return 'nothing of it runs';
  const names = 'found' in verdict ? verdict.found.snapshots.map(({ name }) => name).join(', ') : '';
  const snapshots = names === '' ? '' : `, and its snapshots go with it: ${names}`;
  return verdict.kind === 'take-over'
    ? `it ends on ${verdict.cardId}${snapshots}`
    : `${nobodyText(verdict.fenced)}${snapshots}`;
}

/** All that is deleted with a volume that is not adopted. */
export function deletedLegs(verdict: Exclude<Verdict, { kind: 'refused' }>): HeldLeg[] {
  const { leftovers } = verdict;
  if (verdict.kind === 'take-over')
    return [...verdict.legs.map(({ onPool }) => onPool), ...verdict.frozen, ...leftovers];
  return verdict.kind === 'keep-lost' ? [...verdict.carrying, ...verdict.found.legs, ...leftovers] : [...leftovers];
}

function originText({ bases }: TakeOver): string {
  const origin = bases.find((base) => base.origin !== undefined)?.origin;
  return origin ? `; it is a clone and reads from ${origin.snapshotId} of ${origin.volumeId}` : '';
}

function snapshotsText({ found: { snapshots, lostId, legs } }: Pick<TakeOver, 'found'>): string {
  const known = snapshots.filter(({ snapshotId }) => snapshotId !== lostId);
  const names = known.map(({ name, snapshotId, state }) =>
    state === 'deleting' ? `${name} (${snapshotId}, which can only be deleted)` : `${name} (${snapshotId})`,
  );
  const lost = snapshots.find(({ snapshotId }) => snapshotId === lostId);
  const kept = lost ? legsText(legs.filter(({ stackGeneration }) => stackGeneration === lost.stackGeneration)) : '';
  const first = names.length === 0 ? '' : `; with its snapshots ${names.join(', ')}`;
  return lost
    ? `${first}; ${kept}, kept for a snapshot that nobody can put together again, as ${lost.snapshotId}, which can only be deleted`
    : first;
}

/** A card that is shut out has it in name alone. */
function nobodyText(fenced: readonly FencedPart[]): string {
  if (fenced.length === 0) return 'no card has it';
  const cards = fenced.map(({ cardId }) => cardId).join(', ');
  return `no card has it but ${cards}, which its pools have shut out and which is told to end what it has`;
}

function deletedText(legs: readonly HeldLeg[]): string {
  if (legs.length === 0) return '';
  return `; deleted for good: ${legsText(legs)}`;
}
