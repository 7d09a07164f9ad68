import type { VolumeReport } from '@flexbso/contracts';
import type { Deciding, Draft } from '../changes/draft.js';
import { advance } from '../changes/saga.js';
import { formerReservationId } from '../placement/volume-reservations.js';

/**
 * Takes the report of a card that a volume was failed over from. It says one thing that matters: that nothing of the
 * volume is left there. Then its function is free, and the card may take the volume again.
 */
export function hearFormerCard(draft: Draft, cardId: string, report: VolumeReport, deciding: Deciding): void {
  if (report.phase !== 'gone') return;
  const { volume } = draft;
  const reservationId = formerReservationId(volume.volumeId, cardId);
  volume.formerCards = volume.formerCards.filter((former) => former.cardId !== cardId);
  draft.reservations = draft.reservations.filter((one) => one.reservationId !== reservationId);
  draft.desired.push({ kind: 'forget', role: 'card', agentId: cardId, itemId: volume.volumeId });
  const data = { name: volume.name, generation: volume.generation, cardId };
  draft.events.push({ kind: 'volume', id: volume.volumeId, what: 'former-card-closed', data });
  advance(draft, deciding);
}
