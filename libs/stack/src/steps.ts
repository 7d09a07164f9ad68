import type { CardStep, CardStepKind, PoolStep, PoolStepKind } from '@flexbso/contracts';

/** Each kind of step with its arguments. Tables over steps derive from these, so that a missing row does not compile. */
export type CardStepMap = { [S in CardStep as S['kind']]: S };
export type PoolStepMap = { [S in PoolStep as S['kind']]: S };
export type CardStepOf<K extends CardStepKind> = { [P in K]: CardStepMap[P] & { kind: P } }[K];
export type PoolStepOf<K extends PoolStepKind> = { [P in K]: PoolStepMap[P] & { kind: P } }[K];

/** One handler for each kind of step; a driver's executor table has this type. */
export type CardStepHandlers<R> = { readonly [K in CardStepKind]: (step: CardStepOf<K>) => R };
export type PoolStepHandlers<R> = { readonly [K in PoolStepKind]: (step: PoolStepOf<K>) => R };

/** Calls the handler of the step's kind with the step. */
export function handleCardStep<R, K extends CardStepKind>(handlers: CardStepHandlers<R>, step: CardStepOf<K>): R {
  return handlers[step.kind](step);
}
export function handlePoolStep<R, K extends PoolStepKind>(handlers: PoolStepHandlers<R>, step: PoolStepOf<K>): R {
  return handlers[step.kind](step);
}
