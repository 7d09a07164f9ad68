import { z } from 'zod';

/**
 * Every error that a client can meet: stable code, HTTP status, title. The code is the end of the
 * problem's `type` (RFC 9457). A test compares this table with docs/errors.md.
 */
export const problemTable = {
  'invalid-request': { status: 400, title: 'The request does not fit its schema' },
  'malformed-json': { status: 400, title: 'The body is not JSON' },
  unauthenticated: { status: 401, title: 'No valid token' },
  forbidden: { status: 403, title: 'The token does not allow this' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'method-not-allowed': { status: 405, title: 'The resource does not know this method' },
  'name-taken': { status: 409, title: 'The name is in use' },
  'stale-generation': { status: 409, title: 'The update is based on an older generation' },
  'change-in-flight': { status: 409, title: 'Another change of this volume is still under way' },
  'volume-detached': { status: 409, title: 'The volume is detached: no card carries it' },
  'plan-changed': { status: 409, title: 'The plan is no longer the one that was accepted' },
  'change-over': { status: 409, title: 'The change has ended' },
  cancelled: { status: 409, title: 'The change was cancelled' },
  superseded: { status: 409, title: 'Something newer took the place of the change' },
  'cut-over-passed': { status: 409, title: 'The change is past its cut-over and can only be completed' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'The body is not application/json' },
  'invalid-stack': { status: 422, title: 'The stack is not one that can exist' },
  'missing-capability': { status: 422, title: 'A card or pool cannot do what the stack needs' },
  'no-placement': { status: 422, title: 'No card and pools satisfy every constraint' },
  'change-refused': { status: 422, title: 'The change cannot be made' },
  'snapshots-keep-old-state': { status: 409, title: 'Snapshots keep what the change is to end' },
  'has-snapshots': { status: 409, title: 'The volume has snapshots' },
  'backup-unusable': { status: 422, title: 'The backup cannot be restored here' },
  'idempotency-key-reused': { status: 422, title: 'The idempotency key was used with another body' },
  'idempotency-key-required': { status: 400, title: 'A write needs an Idempotency-Key' },
  'generation-required': { status: 428, title: 'An update needs the generation that it is based on' },
  'too-many-requests': { status: 429, title: 'Too many at once' },
  internal: { status: 500, title: 'The service failed' },
  unavailable: { status: 503, title: 'A service behind the gateway, or its database, does not answer' },
  'deadline-exceeded': { status: 504, title: 'A service behind the gateway did not answer in time' },
  'step-failed': { status: 500, title: 'A step of the plan failed' },
  'data-plane-failed': { status: 500, title: 'The data plane refused or failed' },
  'needs-operator': { status: 409, title: 'What is observed contradicts what is recorded; an operator must decide' },
  diverged: { status: 409, title: 'The agent and the scheduler disagree on what should be; an operator must decide' },
  fenced: { status: 409, title: 'A newer session or lease has taken over' },
  'pool-full': { status: 507, title: 'The pool has no room' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problemTable;
const isProblemCode = (code: string): code is ProblemCode => Object.hasOwn(problemTable, code);
export const problemCodes: readonly ProblemCode[] = Object.keys(problemTable).filter(isProblemCode);

/** One error as it travels: which error, what happened where, which limit, what to do. */
export const problemSchema = z.object({
  code: z.string().refine(isProblemCode, 'an unknown problem code'),
  /** What, where, which limit, what to do; one or two sentences for a person. Never holds a secret. */
  detail: z.string().max(4000),
  /** Each offending field, as a path like `stack.layers.0.kind`. */
  errors: z
    .array(z.object({ path: z.string().max(200), message: z.string().max(500) }))
    .max(50)
    .optional(),
  /** Facts for a program: the constraint, the limit, the generation, ... */
  facts: z.record(z.string(), z.json()).optional(),
});
export type Problem = z.infer<typeof problemSchema>;

/** A refusal or failure with a stable code; the one error class that crosses a service's border. */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly problem: Problem;
  constructor(problem: Problem, options?: ErrorOptions) {
    super(`${problem.code}: ${problem.detail}`, options);
    this.name = 'ProblemError';
    this.code = problem.code;
    this.problem = problem;
  }
}

/** Turns a failed parse into the `invalid-request` problem; `where` says what was parsed. */
export function problemOfParse(where: string, error: z.ZodError): Problem {
  const errors = error.issues.slice(0, 50).map((issue) => ({
    path: issue.path.map(String).join('.').slice(0, 200),
    message: issue.message.slice(0, 500),
  }));
  const first = errors[0];
  const detail = first
    ? `${where}: ${first.path ? `${first.path}: ` : ''}${first.message}`
    : `${where} does not fit its schema`;
  return { code: 'invalid-request', detail: detail.slice(0, 4000), errors };
}
