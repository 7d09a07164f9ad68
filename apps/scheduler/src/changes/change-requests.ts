import { type Caller, type Change, ProblemError, rpc } from '@flexbso/contracts';
import { canonicalDigest } from '@flexbso/stack';
import type { z } from 'zod';
import type { Decision, Decisions } from '../decisions.js';
import { assertFollowed } from '../volumes/assert-followed.js';
import { assertWriter } from '../volumes/callers.js';
import { changeView } from '../volumes/volume-view.js';
import { cancelFollowUp } from '../follow-up/queue.js';
import { cancel } from './cancel.js';
import { type Aggregate, draftOf } from './draft.js';

const verb = rpc.scheduler['cancel-change'];

/** What is asked of a change that is under way. */
export class ChangeRequests {
  readonly #decisions: Decisions;

  constructor(decisions: Decisions) {
    this.#decisions = decisions;
  }

  /** @throws ProblemError `not-found`, `diverged`, or what `cancel` refuses */
  async cancel({ caller, idempotencyKey, changeId }: z.infer<typeof verb.request>): Promise<Change> {
    assertWriter(caller);
    const call = {
      scope: JSON.stringify([caller.tenantId, caller.name]),
      key: idempotencyKey,
      requestDigest: canonicalDigest(['cancel-change', changeId]),
      replySchema: verb.reply,
    };
    return this.#decisions.run((decision) =>
      decision.tx.idempotent(call, async () => {
        const { fleet } = this.#decisions.ports;
        const before = await changeOf(decision, changeId, caller);
        assertFollowed(fleet, before);
        const draft = draftOf(before);
        if (before.change.changeId === changeId) cancel(draft, caller.name, decision.deciding);
        else cancelFollowUp(draft, caller.name, decision.deciding);
        await decision.write(before, draft, { by: caller.name, judged: false });
        return changeView(draft.queued ?? draft.change, fleet);
      }),
    );
  }
}

/** The volume whose latest change it is, or whose next. */
async function changeOf({ tx, read }: Decision, changeId: string, { tenantId }: Caller): Promise<Aggregate> {
  const change = await tx.change(changeId);
  if (!change || (tenantId !== null && change.tenantId !== tenantId))
    throw new ProblemError({ code: 'not-found', detail: `there is no change ${changeId}` });
  const present = await read(change.volumeId);
  if (present?.change.changeId === changeId || present?.volume.followUp?.change.changeId === changeId) return present;
  const detail = `${changeId} is ${change.state}: there is nothing left to cancel`;
  throw new ProblemError({ code: 'change-over', detail, facts: { changeId, state: change.state } });
}
