import { type Caller, ProblemError } from '@flexbso/contracts';
import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { routeOf, setCaller } from '../routes/serve.js';
import { TokenBook } from './token-book.js';

/** Lets through who may: viewers read, operators and admins also write. */
@Injectable()
export class TokenGuard implements CanActivate {
  readonly #tokens: TokenBook;

  constructor(@Inject(TokenBook) tokens: TokenBook) {
    this.#tokens = tokens;
  }

  async canActivate(execution: ExecutionContext): Promise<boolean> {
    const { access, operationId } = routeOf(execution);
    if (access === 'open') return true;
    const request = execution.switchToHttp().getRequest<FastifyRequest>();
    const caller = await this.#tokens.callerOf(request.headers.authorization);
    if (access === 'write') refuseViewer(caller, operationId);
    setCaller(request, caller);
    return true;
  }
}

function refuseViewer(caller: Caller, operationId: string): void {
  if (caller.role !== 'viewer') return;
  throw new ProblemError({
    code: 'forbidden',
    detail: `${operationId} changes something: the token '${caller.name}' is a viewer's; use an operator's`,
    facts: { role: caller.role },
  });
}
