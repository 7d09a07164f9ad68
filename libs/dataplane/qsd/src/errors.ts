import type { Problem, ProblemCode } from '@flexbso/contracts';
import { DataPlaneError } from '@flexbso/dataplane-port';
import { QmpCommandError, QmpUnreachableError } from './qmp/errors.js';

type Facts = NonNullable<Problem['facts']>;

/** A refusal: the same call is refused again until something else changes. */
export function refused(code: ProblemCode, detail: string, facts?: Facts): DataPlaneError {
  return new DataPlaneError({ code, detail, ...(facts === undefined ? {} : { facts }) });
}

/** Something is not there or not ready now; the same call may succeed later. */
export function unavailable(detail: string, cause?: unknown): DataPlaneError {
  return new DataPlaneError({ code: 'data-plane-failed', detail }, { retryable: true, cause });
}

/** Says what failed where, and keeps the cause; a DataPlaneError passes as it is. */
export function asDataPlaneError(what: string, cause: unknown): DataPlaneError {
  if (cause instanceof DataPlaneError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  const detail = `${what}: ${text}`.slice(0, 4000);
  if (cause instanceof QmpUnreachableError) return unavailable(detail, cause);
  if (cause instanceof QmpCommandError)
    return new DataPlaneError({ code: 'step-failed', detail, facts: { command: cause.command } }, { cause });
  return new DataPlaneError({ code: 'data-plane-failed', detail }, { cause });
}
