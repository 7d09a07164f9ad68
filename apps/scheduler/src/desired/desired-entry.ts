import type { DesiredLeg, DesiredVolume } from '@flexbso/contracts';

/** What one agent is to make of one thing. `itemId` is the volume's id for a card, the leg's for a pool. */
export type DesiredEntry =
  | { role: 'card'; agentId: string; itemId: string; revision: number; item: DesiredVolume }
  | { role: 'pool'; agentId: string; itemId: string; revision: number; item: DesiredLeg };

/** An entry before its commit gives it a revision. */
export type DesiredWrite =
  | { kind: 'put'; role: 'card'; agentId: string; item: Omit<DesiredVolume, 'revision'> }
  | { kind: 'put'; role: 'pool'; agentId: string; item: Omit<DesiredLeg, 'revision'> }
  /** The tombstone was echoed: the entry has done its work. */
  | { kind: 'forget'; role: 'card' | 'pool'; agentId: string; itemId: string };
