import {
  type Caller,
  type Divergence,
  type DivergedVolume,
  MAX_MESSAGE_BYTES,
  MAX_SETTLING_TEXT,
  type Problem,
  ProblemError,
  rpc,
  type Settled,
} from '@flexbso/contracts';
import type { Fleet } from '@flexbso/placement';
import { addressKindOfPool, canonicalDigest } from '@flexbso/stack';
import type { z } from 'zod';
import { assertAdmin } from '../backups/backup-requests.js';
import { type Aggregate, aggregateOf, type Draft } from '../changes/draft.js';
import type { ChangeRecord } from '../changes/change-record.js';
import { isFinal } from '../changes/transitions.js';
import { inspectAll } from '../check/inspect-all.js';
import type { RecordedVolume } from '../check/compare.js';
import { recordedVolumes } from '../check/recorded.js';
import type { Decision, Decisions } from '../decisions.js';
import { desiredMessage } from '../desired/answer.js';
import { endFollowUp } from '../follow-up/queue.js';
import { accept } from '../volumes/accept.js';
import { tenantOf } from '../volumes/callers.js';
import { proposeDelete } from '../volumes/propose-change.js';
import { agreedAgents, type DifferingVolume, differingVolumes } from './differences.js';
import { judge, refused, type Verdict } from './judge.js';
import { letOver } from './let-over.js';
import { type Answered, type Reality, realityOf } from './reality.js';
import { keepDetached } from './keep-detached.js';
import { keepLost } from './keep-lost.js';
import { endsAs, isCarriedOut, letGo, superseded, takeOver, takeOverToDelete } from './settle.js';
import type { Settling } from './settled-records.js';
import { type Asked, volumesWhenAsked, whyOutdated } from './since-asked.js';
import { adoptText, deletedLegs, deleteText, divergedVolume } from './words.js';

const verbs = rpc.scheduler;
type Request<V extends keyof typeof verbs> = z.infer<(typeof verbs)[V]['request']>;
type One = Settled['settled'][number];
type SettleOne = (decision: Decision, one: DifferingVolume, verdict: Verdict) => Promise<One | { why: string }>;

/** The contract's bounds. */
const maxListed = 200;
const maxAgents = 1_000;
const maxSettled = 1_000;

/** What all agents told, and the volumes as they were just before. */
interface Told {
  readonly asked: Asked;
  readonly reality: Reality;
}

/** Everything that differs, with how each could be settled. */
interface Compared {
  readonly differing: readonly DifferingVolume[];
  readonly verdictOf: (one: DifferingVolume) => Verdict;
}

/**
 * After a restore: what agents of another life of the database run, against the books; and an operator's decisions on
 * it. An agent of which everything is settled follows this life from then on.
 */
export class Settlements {
  readonly #decisions: Decisions;

  constructor(decisions: Decisions) {
    this.#decisions = decisions;
  }

  /** Reads only. */
  async list({ caller }: Request<'list-differences'>): Promise<Divergence> {
    assertAdmin(caller);
    const { store, fleet } = this.#decisions.ports;
    const { incarnation } = this.#decisions;
    const { following, unheard, isAll } = standing(fleet);
    // Each of them asks every few seconds, and so is known: without any, nobody is asked.
    if (isAll) return { v: 1, incarnation, following, unheard, agents: [], volumes: [], volumeCount: 0 };
    const told = await this.#told();
    const recorded = await store.read(recordedVolumes);
    const { differing, verdictOf } = this.#compare(told, recorded);
    const volumes = differing.map((one) => divergedVolume(one, verdictOf(one)));
    return {
      v: 1,
      incarnation,
      following,
      unheard: unheard.slice(0, maxAgents),
      agents: agentsOf(told.reality, differing).slice(0, maxAgents),
      volumes: fitting(volumes.slice(0, maxListed)),
      volumeCount: volumes.length,
    };
  }

  /** Of one volume, or of all of an agent's that can be. @throws ProblemError */
  adopt(request: Request<'adopt'>): Promise<Settled> {
    const { name, tenantId } = request;
    const owner = (volumeId: string) => ({ name: name ?? volumeId, tenantId: tenantId ?? tenantOf(request.caller) });
    return this.#settle('adopt', request, { name, tenantId }, async (decision, one, verdict) => {
      const { can, what } = adoptText(verdict, one.recorded !== null);
      if (!can || verdict.kind === 'refused') return { why: what };
      const settling = this.#settling(request.caller, decision, owner(one.volumeId));
      const present = await decision.read(one.volumeId);
      if (verdict.kind !== 'let-go' && present === null) await assertFree(decision, settling);
      const draft = draftOf(present, one.volumeId, verdict, settling);
      const isDone = verdict.kind === 'take-over' ? isCarriedOut(verdict.given) : endsAs(verdict);
      endChange(draft, present, isDone, decision.deciding.nowMs);
      await decision.write(present, draft, { by: request.caller.name, judged: false });
      return settled(draft, verdict.kind === 'let-go' ? 'forgotten' : 'adopted');
    });
  }

  /** Of one volume that the books do not know, or not as it lies on its pools. @throws ProblemError */
  delete(request: Request<'delete-diverged'>): Promise<Settled> {
    return this.#settle('delete-diverged', request, {}, async (decision, one, verdict) => {
      const { can, what } = deleteText(verdict, one.recorded !== null);
      if (!can || verdict.kind === 'refused') return { why: what };
      const { volumeId } = one;
      const owner = { name: volumeId, tenantId: tenantOf(request.caller) };
      const settling = this.#settling(request.caller, decision, owner);
      const how = { by: request.caller.name, judged: false };
      if (verdict.kind !== 'take-over') {
        const present = await decision.read(volumeId);
        const draft = letGo(present, volumeId, { ...verdict, leftovers: deletedLegs(verdict) }, settling);
        endChange(draft, present, endsAs(verdict), decision.deciding.nowMs);
        await decision.write(present, draft, how);
        return settled(draft, 'deleted');
      }
      const taken = takeOverToDelete(volumeId, verdict, settling);
      await decision.write(null, taken, how);
      const present = aggregateOf(taken);
      const { fleet, vault } = this.#decisions.ports;
      const world = { fleet, deciding: decision.deciding };
      // They were named with all the legs that go, to whoever asked for this.
      const proposal = proposeDelete(world, present, settling.asking, { withSnapshots: true });
      return settled(await accept(decision, vault, present, proposal), 'deleted');
    });
  }

  async #settle(
    verb: 'adopt' | 'delete-diverged',
    { caller, idempotencyKey, id }: { caller: Caller; idempotencyKey: string; id: string },
    more: Record<string, string | undefined>,
    settleOne: SettleOne,
  ): Promise<Settled> {
    assertAdmin(caller);
    // Asked before the decision: other decisions do not wait for agents, and what they decide of a volume outdates the
    // answers. What else is no longer so, agents refuse.
    const { incarnation, ports } = this.#decisions;
    const told = await this.#told();
    const { reality } = told;
    // Read beside the decisions too, for there may be thousands; inside, what is settled is read again.
    const known = await ports.store.read(recordedVolumes);
    const call = {
      scope: JSON.stringify([caller.tenantId, caller.name]),
      key: idempotencyKey,
      requestDigest: canonicalDigest([verb, { id, ...more }]),
      replySchema: verbs.adopt.reply,
    };
    let risen = 0;
    const done = await this.#decisions.run((decision) =>
      decision.tx.idempotent(call, async () => {
        if (this.#decisions.incarnation !== incarnation) throw restoredMeanwhile(id);
        const { recorded, ...outcome } = await this.#settleEach(decision, id, { told, known }, settleOne);
        const { differing } = this.#compare(told, recorded);
        const following: Settled['following'] = [];
        risen = 0;
        for (const agent of agreedAgents(reality, differing).slice(0, maxAgents)) {
          risen += await letOver(decision.tx, agent, incarnation);
          following.push({ role: agent.role, id: agent.id });
        }
        return { ...outcome, following };
      }),
    );
    if (risen > 0) this.#decisions.ports.revisions.given(risen);
    for (const { role, id: agentId } of done.following) await this.#nudge(role, agentId);
    return done;
  }

  /** Each against the books as those before it left them. @throws ProblemError `diverged` for one volume that was named */
  async #settleEach(
    decision: Decision,
    id: string,
    { told, known }: { told: Told; known: readonly RecordedVolume[] },
    settleOne: SettleOne,
  ): Promise<Pick<Settled, 'settled' | 'refused'> & { recorded: readonly RecordedVolume[] }> {
    const done: Pick<Settled, 'settled' | 'refused'> = { settled: [], refused: [] };
    const { reality } = told;
    const isAgent = reality.answered.some((agent) => agent.id === id);
    let recorded = known;
    for (const { volumeId } of this.#chosen(id, this.#compare(told, recorded), reality)) {
      recorded = withNow(recorded, volumeId, await decision.read(volumeId));
      const { differing, verdictOf } = this.#compare(told, recorded);
      const one = differing.find((each) => each.volumeId === volumeId);
      // Somebody else settled it a moment ago.
      if (one === undefined) continue;
      const outcome = await settleOne(decision, one, verdictOf(one));
      recorded = withNow(recorded, volumeId, await decision.read(volumeId));
      if ('changeId' in outcome) done.settled.push(outcome);
      else if (isAgent) done.refused.push({ volumeId, why: outcome.why.slice(0, MAX_SETTLING_TEXT) });
      else throw refusal(id, outcome.why);
    }
    return { ...done, recorded };
  }

  #chosen(id: string, { differing }: Compared, { answered }: Reality): DifferingVolume[] {
    const one = differing.find(({ volumeId, recorded }) => volumeId === id || recorded?.volume.name === id);
    if (one) return [one];
    if (!answered.some((agent) => agent.id === id && agent.isEstranged)) {
      const detail = `${id} is no volume that differs and no agent of another life of the database: flexbso get differences lists what there is`;
      throw new ProblemError({ code: 'not-found', detail });
    }
    return differing
      .filter(({ differences }) => differences.some(({ agentId }) => agentId === id))
      .slice(0, maxSettled);
  }

  #compare({ asked, reality }: Told, recorded: readonly RecordedVolume[]): Compared {
    const { incarnation } = this.#decisions;
    const differing = differingVolumes(recorded, reality, incarnation);
    const verdictOf = (one: DifferingVolume): Verdict => {
      const outdated = whyOutdated(asked.get(one.volumeId), one.recorded?.volume);
      return outdated === null ? judge(one, reality, recorded, incarnation) : refused(outdated);
    };
    return { differing, verdictOf };
  }

  async #told(): Promise<Told> {
    const { incarnation, ports } = this.#decisions;
    const asked = await ports.store.read(volumesWhenAsked);
    return { asked, reality: realityOf(await inspectAll(ports), incarnation) };
  }

  #settling(caller: Caller, { deciding }: Decision, owner: Settling['owner']): Settling {
    const { tracing, fleet } = this.#decisions.ports;
    const addressKindOf = (poolId: string) => {
      const pool = fleet.pool(poolId);
      return pool ? addressKindOfPool(pool.snapshot.capabilities) : 'nbd';
    };
    const asking = { caller, trace: tracing.headers() };
    return { asking, deciding, incarnation: this.#decisions.incarnation, addressKindOf, owner };
  }

  /** Says nothing but that there is something to be asked for. */
  async #nudge(role: Answered['role'], agentId: string): Promise<void> {
    const { store, nudges } = this.#decisions.ports;
    const agent = await store.read((reader) => reader.agent(role, agentId));
    const revision = agent?.revision ?? 0;
    const head = { role, agentId, ...this.#decisions.speaker, sinceRevision: revision, revision };
    nudges.send(role, agentId, desiredMessage(head, []));
  }
}

/** It was wanted after the copy's last change, which may be long ago. */
const restoredBefore: Problem = {
  code: 'diverged',
  detail: 'the database was restored to a copy from before this change began; ask for it again, if it is still wanted',
};

/** A change that was under way in the copy is over with what is settled now. */
function endChange(
  draft: Draft,
  present: Aggregate | null,
  isDone: (change: ChangeRecord) => boolean,
  nowMs: number,
): void {
  if (draft.volume.followUp !== null) endFollowUp(draft, 'undone', restoredBefore, nowMs);
  const ended = superseded(present, isDone, nowMs);
  if (ended === null) return;
  draft.superseded.push(ended);
  const data = { volumeId: draft.volume.volumeId, state: ended.state };
  draft.events.unshift({ kind: 'change', id: ended.changeId, what: ended.state, data });
}

function draftOf(
  present: Aggregate | null,
  volumeId: string,
  verdict: Exclude<Verdict, { kind: 'refused' }>,
  settling: Settling,
): Draft {
  if (verdict.kind === 'take-over') return takeOver(present, volumeId, verdict, settling);
  if (verdict.kind === 'keep-detached' && present) return keepDetached(present, verdict, settling);
  if (verdict.kind === 'keep-lost') return keepLost(present, volumeId, verdict, settling);
  return letGo(present, volumeId, verdict, settling);
}

/** Half of what a message holds: a volume of many legs has some kilobytes. */
const maxListBytes = MAX_MESSAGE_BYTES / 2;

function fitting(volumes: readonly DivergedVolume[]): DivergedVolume[] {
  let bytes = 0;
  const over = volumes.findIndex((volume) => {
    bytes += Buffer.byteLength(JSON.stringify(volume));
    return bytes > maxListBytes;
  });
  return over === -1 ? [...volumes] : volumes.slice(0, over);
}

function withNow(
  recorded: readonly RecordedVolume[],
  volumeId: string,
  now: Aggregate | null,
): readonly RecordedVolume[] {
  const others = recorded.filter(({ volume }) => volume.volumeId !== volumeId);
  if (now === null) return others;
  const { volume, change, legs, reservations, given } = now;
  const isUnderWay = !isFinal(change.state);
  return [...others, { volume, legs, reservations, given, isUnderWay, before: isUnderWay ? change.from : null }];
}

function agentsOf({ answered, failures }: Reality, differing: readonly DifferingVolume[]): Divergence['agents'] {
  const estranged = answered.filter(({ isEstranged }) => isEstranged);
  const count = (id: string) =>
    differing.filter(({ differences }) => differences.some(({ agentId }) => agentId === id)).length;
  return [
    ...estranged.map(({ role, id }) => ({ role, id, failure: null, differences: count(id) })),
    ...[...failures].map(([name, failure]) => {
      const isCard = name.startsWith('card ');
      const role = isCard ? ('card' as const) : ('pool' as const);
      return { role, id: name.slice(role.length + 1), failure, differences: 0 };
    }),
  ];
}

/** Who follows which life, of the cards and pools that there are. */
function standing(fleet: Fleet): Pick<Divergence, 'following' | 'unheard'> & { isAll: boolean } {
  const all = [
    ...[...fleet.cards()].map(({ snapshot, follows }) => ({ role: 'card' as const, id: snapshot.cardId, follows })),
    ...[...fleet.pools()].map(({ snapshot, follows }) => ({ role: 'pool' as const, id: snapshot.poolId, follows })),
  ];
  const following = all.filter(({ follows }) => follows === 'this').length;
  const unheard = all.filter(({ follows }) => follows === 'unheard').map(({ role, id }) => ({ role, id }));
  return { following, unheard, isAll: following === all.length };
}

const settled = ({ volume, change }: Draft, how: One['how']): One => ({
  volumeId: volume.volumeId,
  changeId: change.changeId,
  how,
});

function refusal(id: string, why: string): ProblemError {
  return new ProblemError({ code: 'diverged', detail: `${id} cannot be settled so: ${why}` });
}

function restoredMeanwhile(id: string): ProblemError {
  const detail = `the database was restored while ${id} was looked at: nothing was settled; look at the differences again`;
  return new ProblemError({ code: 'diverged', detail });
}

async function assertFree({ tx }: Decision, { owner: { name, tenantId } }: Settling): Promise<void> {
  const [taken] = await tx.volumesNamed(name, tenantId);
  if (!taken) return;
  const detail = `volume ${name} exists already in tenant ${tenantId} (${taken.volumeId}): give the adopted one another name`;
  throw new ProblemError({ code: 'name-taken', detail, facts: { volumeId: taken.volumeId } });
}
