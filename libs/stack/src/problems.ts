import type { Problem, ProblemCode } from '@flexbso/contracts';

export type Refusal = Problem;

export function problem(code: ProblemCode, detail: string, facts?: Problem['facts']): Refusal {
  return facts === undefined ? { code, detail } : { code, detail, facts };
}

/** A plan that cannot be made, with the reason for a person. */
export interface Refused {
  readonly ok: false;
  readonly problem: Problem;
}

export function refused(reason: Problem): Refused {
  return { ok: false, problem: reason };
}
