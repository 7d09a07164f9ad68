import { DataPlaneError } from '@flexbso/dataplane-port';
import type { LegAddress, Problem, ProblemCode } from '@flexbso/contracts';

/** What lies on a leg: how many writes of the guest it has, and which key its header was made with. */
export interface MemoryLeg {
  readonly legId: string;
  readonly poolId: string;
  readonly volumeId: string;
  sizeBytes: number;
  readonly isCompressed?: boolean;
  epoch: number;
  holderCardId: string | null;
  serving: { epoch: number; holderCardId: string } | null;
  /** Number of the newest guest write that it holds; 0: reads as zeros. */
  writes: number;
  /** Key that its encryption header was written for; null: none. */
  headerKeyRef: string | null;
  /** An overlay's tables were written onto it. */
  isOverlay?: boolean;
  role: string;
  /** How it is served, where that is not the usual: as a pool that moved it, or lost its key. */
  servedAt?: { readonly address: LegAddress; readonly keyNumber: number };
}

/** What pools and cards share: the legs. Outlives every driver that is made on it, as disks outlive agents. */
export class MemoryWorld {
  readonly legs = new Map<string, MemoryLeg>();

  leg(legId: string): MemoryLeg {
    const leg = this.legs.get(legId);
    if (!leg) throw refusal('data-plane-failed', `there is no leg ${legId}`, true);
    return leg;
  }

  /** The leg, if it is served to this card with this epoch. */
  legHeldBy(cardId: string, legId: string, epoch: number): MemoryLeg {
    const leg = this.leg(legId);
    if (leg.serving?.holderCardId === cardId && leg.serving.epoch === epoch) return leg;
    const served = leg.serving ? `to ${leg.serving.holderCardId} with epoch ${leg.serving.epoch}` : 'to nobody';
    throw refusal('data-plane-failed', `leg ${legId} is served ${served}, not to ${cardId} with epoch ${epoch}`, true);
  }
}

export function refusal(code: ProblemCode, detail: string, retryable = false): DataPlaneError {
  const problem: Problem = { code, detail };
  return new DataPlaneError(problem, { retryable });
}
