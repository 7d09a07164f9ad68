import type { AgentRole, CardDesired, CardReport, DesiredQuestion, PoolDesired, PoolReport } from '@flexbso/contracts';
import type { AgentRecord } from '../agents/agent-record.js';
import { type Heard, hearSession } from '../agents/sessions.js';
import { type EventDraft, draftOf } from '../changes/draft.js';
import type { Decision, Decisions } from '../decisions.js';
import { desiredMessage } from '../desired/answer.js';
import { sayHealth } from '../health/degraded.js';
import { randomUuid } from '../ids.js';
import { isSame } from '@flexbso/stack';
import { tellClones } from '../snapshots/tell-clones.js';
import { hearCard } from './card-report.js';
import { hearFormerCard } from './former-card-report.js';
import { hearLeg } from './leg-report.js';

export interface ReportReply {
  accepted: true;
  staleOperationIds: string[];
}

/** What agents ask and report. Each is one transaction; the reply goes out after its commit. */
export class AgentRequests {
  readonly #decisions: Decisions;
  readonly #badLegEvents: Record<string, number> = {};
  #unflushedLostEvents = 0;

  constructor(decisions: Decisions) {
    this.#decisions = decisions;
  }

  /** How many events of bad legs there were since the start, by what was found. */
  get badLegEvents(): Readonly<Record<string, number>> {
    return this.#badLegEvents;
  }

  /** How often since the start a volume was built again without what its guest had not flushed. */
  get unflushedLostEvents(): number {
    return this.#unflushedLostEvents;
  }

  /** What the agent is to do, since the revision that it has. An agent that follows another incarnation is shown everything. */
  answer(role: AgentRole, agentId: string, question: DesiredQuestion): Promise<CardDesired | PoolDesired> {
    const { speaker } = this.#decisions;
    return this.#decisions.run(async ({ tx, deciding }) => {
      const { agent } = await hearSession(tx, role, agentId, { ...question, revision: question.sinceRevision });
      this.#decisions.noteFollowing(agent);
      const isOurs = question.incarnation === null || question.incarnation === speaker.incarnation;
      // A revision above ours is from a life that this database has forgotten: answered by our lower one.
      const sinceRevision = isOurs && question.sinceRevision <= agent.revision ? question.sinceRevision : 0;
      const entries = await tx.desired(role, agentId, sinceRevision);
      const isResumed = role === 'card' && !isOurs && deciding.pauseOf(agentId) === null;
      const head = { role, agentId, ...speaker, sinceRevision, revision: agent.revision, isResumed };
      return desiredMessage({ ...head, ...takingOver(agent, question, speaker.incarnation) }, entries);
    });
  }

  hearCard(cardId: string, report: CardReport): Promise<ReportReply> {
    return this.#decisions.run(async (decision) => {
      await this.#hearSession(decision, 'card', cardId, report);
      const staleOperationIds: string[] = [];
      for (const one of report.volumes) {
        const isOurs = report.incarnation === this.#decisions.incarnation;
        const isHeard = isOurs && (await this.#hearVolume(decision, cardId, one));
        if (!isHeard) staleOperationIds.push(one.operationId);
      }
      return { accepted: true, staleOperationIds };
    });
  }

  hearPool(poolId: string, report: PoolReport): Promise<ReportReply> {
    return this.#decisions.run(async (decision) => {
      await this.#hearSession(decision, 'pool', poolId, report);
      const staleOperationIds: string[] = [];
      for (const one of report.legs) {
        const isOurs = report.incarnation === this.#decisions.incarnation;
        const isHeard = isOurs && (await this.#hearLeg(decision, poolId, one));
        if (!isHeard) staleOperationIds.push(one.operationId);
      }
      return { accepted: true, staleOperationIds };
    });
  }

  /** Nudges every agent that has not seen its latest revision; one that is away asks when it is back. */
  async nudgeWhoIsBehind(): Promise<void> {
    const { store, nudges } = this.#decisions.ports;
    const { speaker } = this.#decisions;
    for (const agent of await store.read((reader) => reader.agents())) {
      if (agent.seenRevision >= agent.revision) continue;
      const { role, agentId, revision, seenRevision: sinceRevision } = agent;
      const entries = await store.read((reader) => reader.desired(role, agentId, sinceRevision));
      nudges.send(role, agentId, desiredMessage({ role, agentId, ...speaker, sinceRevision, revision }, entries));
    }
  }

  async #hearSession({ tx, deciding }: Decision, role: AgentRole, agentId: string, report: Heard): Promise<void> {
    const { agent, newlyDiverged } = await hearSession(tx, role, agentId, report);
    this.#decisions.noteFollowing(agent);
    if (newlyDiverged === null) return;
    const { alarms, randomness } = this.#decisions.ports;
    alarms.warn('agent acts on nothing new', { role, agentId, differences: newlyDiverged });
    const about = { kind: role, id: agentId, what: 'diverged', by: agentId, tenantId: null, traceId: null };
    const data = { differences: newlyDiverged };
    await tx.enqueueEvents([{ v: 1, eventId: randomUuid(randomness), ...about, atMs: deciding.nowMs, data }], {});
  }

  async #hearVolume(decision: Decision, cardId: string, report: CardReport['volumes'][number]): Promise<boolean> {
    const before = await decision.read(report.volumeId);
    const former = before?.volume.formerCards.find((one) => one.cardId === cardId);
    const isHere = before?.volume.cardId === cardId;
    // That it is gone is known here: a crash may have kept the card from forgetting it.
    if (!before || (!isHere && !former)) return report.phase === 'gone';
    const isCarrier = isHere && before.volume.cardOperationId === report.operationId;
    if (!isCarrier && former?.operationId !== report.operationId)
      // So it is that a detached volume is gone.
      return isHere && before.volume.cardOperationId === null && report.phase === 'gone';
    const draft = draftOf(before);
    if (isCarrier) hearCard(draft, report, decision.deciding);
    else hearFormerCard(draft, cardId, report, decision.deciding);
    sayHealth(before, draft);
    await decision.write(before, draft, { by: `card ${cardId}`, judged: false });
    this.#count(draft.events);
    return true;
  }

  #count(events: readonly EventDraft[]): void {
    for (const { id: volumeId, what, data } of events) {
      if (what === 'unflushed-writes-lost') {
        this.#unflushedLostEvents++;
        this.#decisions.ports.alarms.warn('unflushed writes of a guest are lost', { volumeId, ...data });
      }
      const { fault } = data;
      if (what !== 'leg-bad' || typeof fault !== 'string') continue;
      this.#badLegEvents[fault] = (this.#badLegEvents[fault] ?? 0) + 1;
    }
  }

  async #hearLeg(decision: Decision, poolId: string, report: PoolReport['legs'][number]): Promise<boolean> {
    const leg = await decision.tx.leg(report.legId);
    if (!leg) return report.phase === 'deleted';
    if (leg.poolId !== poolId || leg.operationId !== report.operationId) return false;
    const before = await decision.read(leg.volumeId);
    if (!before) return false;
    const draft = draftOf(before);
    hearLeg(draft, report.legId, report, decision.deciding);
    sayHealth(before, draft);
    await decision.write(before, draft, { by: `pool ${poolId}`, judged: false });
    const now = draft.legs.find(({ legId }) => legId === report.legId);
    const isMoved = now !== undefined && !(isSame(now.address, leg.address) && isSame(now.access, leg.access));
    if (isMoved) await tellClones(decision, draft.volume, now);
    return true;
  }
}

/** Only what was compared is let over: an agent that went on in its own life since is not. */
function takingOver({ takesOver }: AgentRecord, { incarnation, sinceRevision }: DesiredQuestion, ours: string) {
  const isLet = takesOver?.to === ours && takesOver.from === incarnation && takesOver.revision === sinceRevision;
  return isLet && incarnation !== null ? { takesOver: { incarnation, revision: sinceRevision } } : {};
}
