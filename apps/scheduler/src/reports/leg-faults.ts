import { type LegFault, MAX_LEG_FAULTS } from '@flexbso/contracts';
import type { Draft } from '../changes/draft.js';
import { announceVolume } from '../changes/saga.js';
import { isFinal } from '../changes/transitions.js';
import type { LegRecord } from '../legs/leg-record.js';
import { borrowedLegs } from '../snapshots/kept-stacks.js';

/**
 * Takes over what a card was told of bad legs, and says what is new. A card that restarted has forgotten what it told
 * before: what is not in its report stays as it is known, until the leg goes. How seldom a card tells of a leg that
 * stays bad, and with it how many events there are, is the card's to bound; what it repeats is no news.
 */
export function noteLegFaults(draft: Draft, reported: readonly LegFault[]): void {
  const { volume } = draft;
  const legs = legsBeneath(draft);
  // A clone that was made whole reads from its snapshot no more.
  if (isFinal(draft.change.state))
    volume.legFaults = volume.legFaults.filter(({ legId }) => legs.some((leg) => leg.legId === legId));
  for (const fault of reported) {
    const leg = legs.find(({ legId }) => legId === fault.legId);
    const known = volume.legFaults.find((one) => isSameKind(one, fault));
    if (!leg || (known && !isNews(known, fault))) continue;
    const others = volume.legFaults.filter((one) => !isSameKind(one, fault));
    volume.legFaults = [...others, fault].slice(-MAX_LEG_FAULTS);
    const isFound = known?.lastAtMs !== fault.lastAtMs;
    if (isFound) announce(draft, 'leg-bad', leg, fault);
    if (fault.repaired) announce(draft, 'leg-repaired', leg, fault);
  }
}

const isSameKind = (one: LegFault, other: LegFault): boolean => one.legId === other.legId && one.kind === other.kind;

const isNews = (known: LegFault, fault: LegFault): boolean =>
  fault.lastAtMs > known.lastAtMs || (fault.lastAtMs === known.lastAtMs && fault.repaired && !known.repaired);

interface LegBeneath extends Pick<LegRecord, 'legId' | 'poolId'> {
  /** The volume whose snapshot's leg it is; left out: it is the volume's own. */
  readonly ownerId?: string;
}

/** Every leg that the card may have open for the volume. */
function legsBeneath({ legs, volume, change }: Draft): LegBeneath[] {
  const before = change.from === null || isFinal(change.state) ? [] : borrowedLegs(change.from);
  return [...legs, ...borrowedLegs(volume.want), ...before];
}

function announce(
  draft: Draft,
  what: 'leg-bad' | 'leg-repaired',
  { poolId, ownerId }: LegBeneath,
  fault: LegFault,
): void {
  const { legId, kind, offsetBytes, lengthBytes, findings } = fault;
  const owner = ownerId === undefined ? {} : { ofVolumeId: ownerId };
  announceVolume(draft, what, { legId, poolId, ...owner, fault: kind, offsetBytes, lengthBytes, findings });
}
