import { type LegFault, MAX_LEG_FAULTS } from '@flexbso/contracts';
import type { Draft } from '../changes/draft.js';
import { announceVolume } from '../changes/saga.js';

/**
 * Takes over what a card was told of bad legs, and says what is new. A card that restarted has forgotten what it told
 * before: what is not in its report stays as it is known, until the leg goes. How seldom a card tells of a leg that
 * stays bad, and with it how many events there are, is the card's to bound; what it repeats is no news.
 */
export function noteLegFaults(draft: Draft, reported: readonly LegFault[]): void {
  const { volume, legs } = draft;
  for (const fault of reported) {
    const leg = legs.find(({ legId }) => legId === fault.legId);
    const known = volume.legFaults.find((one) => isSameKind(one, fault));
    if (!leg || (known && !isNews(known, fault))) continue;
    const others = volume.legFaults.filter((one) => !isSameKind(one, fault));
    volume.legFaults = [...others, fault].slice(-MAX_LEG_FAULTS);
    const isFound = known?.lastAtMs !== fault.lastAtMs;
    if (isFound) announce(draft, 'leg-bad', leg.poolId, fault);
    if (fault.repaired) announce(draft, 'leg-repaired', leg.poolId, fault);
  }
}

const isSameKind = (one: LegFault, other: LegFault): boolean => one.legId === other.legId && one.kind === other.kind;

const isNews = (known: LegFault, fault: LegFault): boolean =>
  fault.lastAtMs > known.lastAtMs || (fault.lastAtMs === known.lastAtMs && fault.repaired && !known.repaired);

function announce(draft: Draft, what: 'leg-bad' | 'leg-repaired', poolId: string, fault: LegFault): void {
  const { legId, kind, offsetBytes, lengthBytes, findings } = fault;
  announceVolume(draft, what, { legId, poolId, fault: kind, offsetBytes, lengthBytes, findings });
}
