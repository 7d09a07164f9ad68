import { z } from 'zod';

/** What the CLI reads of a problem; a newer server may say more. */
const problemDocumentSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  facts: z.record(z.string(), z.json()).optional(),
  traceId: z.string().optional(),
});
export type ProblemDocument = z.infer<typeof problemDocumentSchema>;

/** The API answered with a problem. */
export class ApiError extends Error {
  readonly status: number;
  readonly problem: ProblemDocument;

  constructor(status: number, problem: ProblemDocument) {
    super(`${problem.type.split(':').at(-1) ?? problem.type}: ${problem.detail}`);
    this.name = 'ApiError';
    this.status = status;
    this.problem = problem;
  }
}

/** Nobody answered, in spite of retries. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
}

/** The problem of an answer; a proxy's page is told by its status. */
export function apiErrorOf(status: number, body: string): ApiError {
  const parsed = problemDocumentSchema.safeParse(jsonOrNull(body));
  if (parsed.success) return new ApiError(status, parsed.data);
  const detail = `the server answered ${status} with something else than a problem: ${body.slice(0, 200)}`;
  return new ApiError(status, { type: 'urn:flexbso:problem:unknown', title: 'Unknown', status, detail });
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
