import type { DesiredLeg, PoolStepKind } from '@flexbso/contracts';
import { openSealer } from './test-agent.js';

export type LegWish = Partial<DesiredLeg>;

export interface LegChanged {
  readonly name: string;
  /** What the leg goes through before it; none: there is no leg. */
  readonly before: readonly LegWish[];
  readonly change: LegWish;
  /** The kinds of steps that this change stands for. */
  readonly kinds: readonly PoolStepKind[];
}

const grown = { sizeBytes: 16 * 1024 ** 2 };
const ofAnother = { epoch: 2, holder: { cardId: 'card-2', sealingKey: openSealer.publicKey } };

/** Together they have every kind of step that a pool does. */
export const legChanges: readonly LegChanged[] = [
  { name: 'make', before: [], change: {}, kinds: ['create-leg', 'serve-leg'] },
  { name: 'grow', before: [{}], change: grown, kinds: ['grow-leg'] },
  { name: 'fence', before: [{}], change: ofAnother, kinds: ['fence-leg'] },
  {
    name: 'fence and grow',
    before: [{}, { role: 'current' }],
    change: { ...ofAnother, ...grown, role: 'current' },
    kinds: [],
  },
  { name: 'delete', before: [{}], change: { tombstone: true }, kinds: ['stop-serving-leg', 'delete-leg'] },
];
