import { type Caller, ProblemError } from '@flexbso/contracts';

/** The tenant of what a caller without one creates. */
const defaultTenantId = 'default';

export function tenantOf({ tenantId }: Caller): string {
  return tenantId ?? defaultTenantId;
}

/** The gateway has judged the token; this is the second lock on the same door. */
export function assertWriter({ name, role }: Caller): void {
  if (role !== 'viewer') return;
  throw new ProblemError({
    code: 'forbidden',
    detail: `${name} has the role viewer, which changes nothing; use a token of an operator`,
  });
}
