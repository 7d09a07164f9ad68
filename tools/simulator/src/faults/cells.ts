import { type CardStepKind, type PoolStepKind, cardStepSchema, poolStepSchema } from '@flexbso/contracts';
import type { Hits } from './coverage.js';
import { faultKinds, type FaultKind, type StepKind } from './fault.js';

const cardStepKinds: readonly CardStepKind[] = cardStepSchema.options.map((option) => option.shape.kind.value);
const poolStepKinds: readonly PoolStepKind[] = poolStepSchema.options.map((option) => option.shape.kind.value);
export const stepKinds: readonly StepKind[] = [...cardStepKinds, ...poolStepKinds];

/** Why a fault cannot strike at a step; a cell that is neither here nor hit is a hole in what runs come to. */
const never: readonly { readonly fault: FaultKind; readonly steps: readonly StepKind[]; readonly why: string }[] = [
  {
    fault: 'data-plane-killed',
    steps: poolStepKinds,
    why: 'what is killed is the data plane of a volume, which is on a card; a pool that serves nothing any more is seen by its look',
  },
];

/** @returns the reason; null: it can */
export function whyNever(step: StepKind, fault: FaultKind): string | null {
  return never.find((one) => one.fault === fault && one.steps.includes(step))?.why ?? null;
}

/** Cells that could be hit and were hit less often than that, the rarest first. */
export function rareCells(coverage: readonly Hits[], enough: number): Hits[] {
  const hits = new Map(coverage.map((cell) => [`${cell.step} ${cell.fault}`, cell.hits]));
  return stepKinds
    .flatMap((step) => faultKinds.map((fault) => ({ step, fault, hits: hits.get(`${step} ${fault}`) ?? 0 })))
    .filter(({ step, fault, hits: count }) => count < enough && whyNever(step, fault) === null)
    .toSorted((left, right) => left.hits - right.hits);
}
