import type { DivergedVolume } from '@flexbso/contracts';
import type { DifferingVolume } from './differences.js';
import type { FencedPart, HeldLeg, Verdict } from './judge.js';

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
        : parts.cards.length > 0 || verdict.kind === 'keep-detached'
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

const legsText = (legs: readonly HeldLeg[]) =>
  legs.map(({ poolId, given }) => `${given.legId} on ${poolId}`).join(', ');

interface Choice {
  readonly can: boolean;
  readonly what: string;
}
const cut = ({ can, what }: Choice): Choice => ({ can, what: what.slice(0, 1000) });

export function adoptText(verdict: Verdict, isRecorded: boolean): Choice {
  if (verdict.kind === 'refused') return { can: false, what: verdict.why };
  const legs = deletedText(verdict.leftovers);
  if (verdict.kind === 'keep-detached') {
    const nobody = nobodyText(verdict.fenced);
    return { can: true, what: `${nobody}: the books keep it detached, on ${legsText(verdict.legs)}${legs}` };
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
    what: `the books take over generation ${given.generation} on ${cardId}, which stands on ${where}${key}${legs}`,
  };
}

export function deleteText(verdict: Verdict, isRecorded: boolean): Choice {
  if (verdict.kind === 'end')
    return { can: true, what: `${nobodyText(verdict.fenced)}${deletedText(verdict.leftovers)}` };
  if (isRecorded) return { can: false, what: 'it is recorded: adopt it; what runs then is deleted as any volume is' };
  if (verdict.kind === 'refused') return { can: false, what: verdict.why };
  const runs = verdict.kind === 'take-over' ? verdict.legs.map(({ onPool }) => onPool) : [];
  const first = verdict.kind === 'take-over' ? `it ends on ${verdict.cardId}` : 'nothing of it runs';
  return { can: true, what: `${first}${deletedText([...runs, ...verdict.leftovers])}` };
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
