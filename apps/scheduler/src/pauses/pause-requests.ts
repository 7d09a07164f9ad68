import { type BsoEvent, type Caller, MAX_PAUSES, type PauseList, ProblemError, type rpc } from '@flexbso/contracts';
import type { z } from 'zod';
import { reviewChanges } from '../changes/review.js';
import type { Decision, Decisions } from '../decisions.js';
import { randomUuid } from '../ids.js';

type Verbs = typeof rpc.scheduler;
type Request<V extends keyof Verbs> = z.infer<Verbs[V]['request']>;

/** Pausing the changes of a card or of the fleet, and going on. Cards are of all tenants, so whoever asks has none. */
export class PauseRequests {
  readonly #decisions: Decisions;

  constructor(decisions: Decisions) {
    this.#decisions = decisions;
  }

  /** What is paused stays so, by who paused it first. Cards learn of it once it is committed. */
  async pause({ caller, cardId }: Request<'pause'>): Promise<PauseList> {
    assertFleetWriter(caller);
    await this.#decisions.run(async (decision) => {
      const { pauses, deciding, tx } = decision;
      if (pauses.at(cardId) !== null) return;
      this.#assertKnown(cardId);
      assertRoom(pauses.all.length);
      const pause = { cardId, by: caller.name, sinceMs: deciding.nowMs };
      await tx.putPause(pause);
      decision.setPauses(pauses.with(pause));
      await tx.enqueueEvents([this.#event('paused', cardId, caller, decision)], {});
    });
    return this.#reviewed(cardId);
  }

  async resume({ caller, cardId }: Request<'resume'>): Promise<PauseList> {
    assertFleetWriter(caller);
    await this.#decisions.run(async (decision) => {
      const { pauses, tx } = decision;
      if (pauses.at(cardId) === null) return;
      await tx.deletePause(cardId);
      decision.setPauses(pauses.without(cardId));
      await tx.enqueueEvents([this.#event('resumed', cardId, caller, decision)], {});
    });
    return this.#reviewed(cardId);
  }

  async list(_request: Request<'list-pauses'>): Promise<PauseList> {
    return { items: this.#decisions.pauses.all };
  }

  /** Also when nothing was to be done: the review of the request before may have been cut short. */
  async #reviewed(cardId: string | null): Promise<PauseList> {
    await reviewChanges(this.#decisions, ({ volume }) => cardId === null || volume.cardId === cardId);
    return { items: this.#decisions.pauses.all };
  }

  #assertKnown(cardId: string | null): void {
    if (cardId === null || this.#decisions.ports.fleet.card(cardId)) return;
    throw new ProblemError({ code: 'not-found', detail: `there is no card ${cardId}` });
  }

  #event(what: string, cardId: string | null, { name: by }: Caller, { deciding }: Decision): BsoEvent {
    const about =
      cardId === null ? { kind: 'service' as const, id: 'scheduler' } : { kind: 'card' as const, id: cardId };
    const eventId = randomUuid(this.#decisions.ports.randomness);
    const data = { scope: cardId === null ? 'fleet' : 'card' };
    return { v: 1, eventId, ...about, what, atMs: deciding.nowMs, by, tenantId: null, traceId: null, data };
  }
}

function assertRoom(held: number): void {
  if (held < MAX_PAUSES) return;
  throw new ProblemError({
    code: 'too-many-requests',
    detail: `${held} cards are paused, which is the most; pause the fleet instead`,
    facts: { limit: MAX_PAUSES },
  });
}

/** @throws ProblemError `forbidden` */
function assertFleetWriter({ name, role, tenantId }: Caller): void {
  if (role !== 'viewer' && tenantId === null) return;
  throw new ProblemError({
    code: 'forbidden',
    detail: `${name} may not: a pause holds the changes of all tenants, so this takes an operator or admin with a token of no tenant`,
  });
}
