import { type Caller, type Change, type Plan, ProblemError, rpc, type Volume } from '@flexbso/contracts';
import { canonicalDigest } from '@flexbso/stack';
import type { z } from 'zod';
import type { Aggregate, Draft } from '../changes/draft.js';
import type { Decision, Decisions } from '../decisions.js';
import { BookEntries } from '../placement/books.js';
import { readAggregate } from '../store/commit.js';
import type { StoreReader } from '../store/store.js';
import { refuseCloned } from '../snapshots/clone.js';
import { cloneSource, refuseTorn } from '../snapshots/clone-lookup.js';
import { proposeRollback } from '../snapshots/propose-rollback.js';
import { findSnapshot, proposeDeleteSnapshot, proposeSnapshot } from '../snapshots/propose-snapshot.js';
import { accept, assertSamePlan } from './accept.js';
import { assertWriter, tenantOf } from './callers.js';
import { proposeAttach, proposeDetach } from './propose-attach.js';
import { assertChangeable, assertDeletable, assertGeneration, proposeChange, proposeDelete } from './propose-change.js';
import { acceptAmendment, isAmendment, proposeAmendment } from './amendment.js';
import { acceptFollowUp, mayBeFollowed, proposeFollowUp } from '../follow-up/queue.js';
import { proposeCreate } from './propose-create.js';
import { assertCertainStack, proposeFailover } from './propose-failover.js';
import type { Proposal } from './proposal.js';
import { assertFollowed } from './assert-followed.js';
import { findVolume } from './volume-lookup.js';
import { changeView, volumeView } from './volume-view.js';

const verbs = rpc.scheduler;
type Request<V extends keyof typeof verbs> = z.infer<(typeof verbs)[V]['request']>;
export type Accepted = { volume: Volume; change: Change };
type Write = { caller: Caller; idempotencyKey: string; planDigest?: string | undefined };

/** Create, change, delete, and their dry runs. A dry run makes the same decision and keeps nothing of it. */
export class VolumeRequests {
  readonly #decisions: Decisions;

  constructor(decisions: Decisions) {
    this.#decisions = decisions;
  }

  create(request: Request<'create-volume'>): Promise<Accepted> {
    return this.#write('create-volume', request, (decision) => this.#proposeCreate(decision.tx, request));
  }

  change(request: Request<'change-volume'>): Promise<Accepted> {
    // A plan that was accepted was made for what is there, and not for what another change may leave.
    const mayQueue = request.planDigest === undefined;
    return this.#write('change-volume', request, ({ tx, read }) => this.#proposeChange(tx, read, request, mayQueue));
  }

  delete(request: Request<'delete-volume'>): Promise<Accepted> {
    return this.#write('delete-volume', request, ({ tx, read }) => this.#proposeDelete(tx, read, request));
  }

  failover(request: Request<'failover-volume'>): Promise<Accepted> {
    return this.#write('failover-volume', request, ({ tx, read }) => this.#proposeFailover(tx, read, request));
  }

  createSnapshot(request: Request<'create-snapshot'>): Promise<Accepted> {
    return this.#write('create-snapshot', request, ({ tx, read }) => this.#proposeSnapshot(tx, read, request));
  }

  deleteSnapshot(request: Request<'delete-snapshot'>): Promise<Accepted> {
    return this.#write('delete-snapshot', request, ({ tx, read }) => this.#proposeDeleteSnapshot(tx, read, request));
  }

  rollback(request: Request<'rollback-volume'>): Promise<Accepted> {
    return this.#write('rollback-volume', request, ({ tx, read }) => this.#proposeRollback(tx, read, request));
  }

  planRollback(request: Request<'plan-rollback'>): Promise<Plan> {
    return this.#plan((reader) => this.#proposeRollback(reader, readingFrom(reader), request));
  }

  planCreateSnapshot(request: Request<'plan-create-snapshot'>): Promise<Plan> {
    return this.#plan((reader) => this.#proposeSnapshot(reader, readingFrom(reader), request));
  }

  planDeleteSnapshot(request: Request<'plan-delete-snapshot'>): Promise<Plan> {
    return this.#plan((reader) => this.#proposeDeleteSnapshot(reader, readingFrom(reader), request));
  }

  detach(request: Request<'detach-volume'>): Promise<Accepted> {
    return this.#write('detach-volume', request, ({ tx, read }) => this.#proposeDetach(tx, read, request));
  }

  attach(request: Request<'attach-volume'>): Promise<Accepted> {
    return this.#write('attach-volume', request, ({ tx, read }) => this.#proposeAttach(tx, read, request));
  }

  planDetach(request: Request<'plan-detach'>): Promise<Plan> {
    return this.#plan((reader) => this.#proposeDetach(reader, readingFrom(reader), request));
  }

  planAttach(request: Request<'plan-attach'>): Promise<Plan> {
    return this.#plan((reader) => this.#proposeAttach(reader, readingFrom(reader), request));
  }

  planFailover(request: Request<'plan-failover'>): Promise<Plan> {
    return this.#plan((reader) => this.#proposeFailover(reader, readingFrom(reader), request));
  }

  planCreate(request: Request<'plan-create'>): Promise<Plan> {
    return this.#plan((reader) => this.#proposeCreate(reader, request));
  }

  planChange(request: Request<'plan-change'>): Promise<Plan> {
    return this.#plan((reader) => this.#proposeChange(reader, readingFrom(reader), request));
  }

  planDelete(request: Request<'plan-delete'>): Promise<Plan> {
    return this.#plan((reader) => this.#proposeDelete(reader, readingFrom(reader), request));
  }

  async #write(verb: string, request: Write, propose: (decision: Decision) => Promise<Proposed>): Promise<Accepted> {
    assertWriter(request.caller);
    const { idempotencyKey, caller, ...body } = request;
    const call = {
      // One token's keys are nobody else's: two people with the same key must not get each other's volume.
      scope: JSON.stringify([caller.tenantId, caller.name]),
      key: idempotencyKey,
      requestDigest: canonicalDigest([verb, body]),
      replySchema: verbs['create-volume'].reply,
    };
    return this.#decisions.run((decision) =>
      decision.tx.idempotent(call, async () => {
        const proposed = await propose(decision);
        assertSamePlan(shownPlan(proposed), request.planDigest);
        const { fleet } = this.#decisions.ports;
        const draft = await this.#accept(decision, proposed);
        const agent = await decision.tx.agent('card', draft.volume.cardId);
        const volume = volumeView(draft.volume, draft.legs, { fleet, diverged: agent?.diverged ?? null });
        return { volume, change: changeView(draft.queued ?? draft.change, fleet) };
      }),
    );
  }

  #accept(decision: Decision, proposed: Proposed): Promise<Draft> {
    const { present, proposal } = proposed;
    if (proposed.accept) return proposed.accept(decision);
    return accept(decision, this.#decisions.ports.vault, present, proposal);
  }

  /** Also tries the reservation, so that a dry run refuses what the real one would. */
  async #plan(propose: (reader: StoreReader) => Promise<Proposed>): Promise<Plan> {
    const proposed = await this.#decisions.ports.store.read(propose);
    const { present, proposal } = proposed;
    const books = new BookEntries(this.#decisions.ports.fleet);
    // In one go, without waiting for anything: no decision sees the entries.
    const problem = books.replace(present?.reservations ?? [], proposal.reservations, true);
    books.rollBack();
    if (problem) throw new ProblemError(problem);
    return shownPlan(proposed);
  }

  async #proposeCreate(
    reader: StoreReader,
    { caller, spec }: Pick<Request<'plan-create'>, 'caller' | 'spec'>,
  ): Promise<Proposed> {
    const tenantId = tenantOf(caller);
    const [taken] = await reader.volumesNamed(spec.name, tenantId);
    if (taken) {
      const detail = `volume ${spec.name} exists already in tenant ${tenantId} (${taken.volumeId}, ${taken.state}); choose another name, or delete it first`;
      throw new ProblemError({ code: 'name-taken', detail, facts: { volumeId: taken.volumeId } });
    }
    const earlierCreations = await reader.creationsOf(tenantId, spec.name);
    const source = spec.fromSnapshot ? await cloneSource(reader, caller, spec.fromSnapshot) : null;
    const facts = { tenantId, incarnation: this.#decisions.incarnation, earlierCreations, source };
    return { present: null, proposal: proposeCreate(this.#world(), spec, facts, this.#asking(caller)) };
  }

  async #proposeChange(
    reader: StoreReader,
    read: Decision['read'],
    request: Pick<Request<'plan-change'>, 'caller' | 'volume' | 'basedOnGeneration' | 'patch'>,
    mayQueue = false,
  ): Promise<Proposed> {
    const present = await this.#found(reader, read, request);
    const world = this.#world();
    if (isAmendment(present, request.patch, world.deciding)) {
      assertGeneration(present, request.basedOnGeneration);
      const { proposal, plan } = proposeAmendment(world, present, request.patch);
      const carryOut = (decision: Decision) => acceptAmendment(decision, present, proposal, request.caller.name);
      return { present, proposal, plan, accept: carryOut };
    }
    if (mayQueue && mayBeFollowed(present)) {
      assertGeneration(present, request.basedOnGeneration);
      const followUp = proposeFollowUp(world, present, request.patch, this.#asking(request.caller));
      const carryOut = (decision: Decision) => acceptFollowUp(decision, present, followUp);
      return { present, proposal: { ...present, change: followUp.change }, accept: carryOut };
    }
    assertChangeable(present, request.basedOnGeneration);
    return { present, proposal: proposeChange(world, present, request.patch, this.#asking(request.caller)) };
  }

  async #proposeDelete(
    reader: StoreReader,
    read: Decision['read'],
    request: Pick<Request<'plan-delete'>, 'caller' | 'volume' | 'basedOnGeneration'>,
  ): Promise<Proposed> {
    const present = await this.#found(reader, read, request);
    assertDeletable(present, request.basedOnGeneration);
    // Of any other a snapshot is deleted before, and is asked for clones then.
    for (const { snapshotId } of present.volume.want.lost ? present.volume.snapshots : [])
      refuseCloned(`volume ${present.volume.name} is not deleted`, await reader.volumesFrom(snapshotId));
    return { present, proposal: proposeDelete(this.#world(), present, this.#asking(request.caller)) };
  }

  async #proposeSnapshot(
    reader: StoreReader,
    read: Decision['read'],
    request: Pick<Request<'plan-create-snapshot'>, 'caller' | 'volume' | 'basedOnGeneration' | 'spec'>,
  ): Promise<Proposed> {
    const present = await this.#changeable(reader, read, request);
    return { present, proposal: proposeSnapshot(this.#world(), present, request.spec, this.#asking(request.caller)) };
  }

  async #proposeDeleteSnapshot(
    reader: StoreReader,
    read: Decision['read'],
    request: Pick<Request<'plan-delete-snapshot'>, 'caller' | 'volume' | 'basedOnGeneration' | 'snapshot'>,
  ): Promise<Proposed> {
    const present = await this.#changeable(reader, read, request);
    const { snapshotId, name } = findSnapshot(present, request.snapshot);
    refuseCloned(`snapshot ${name} is not deleted`, await reader.volumesFrom(snapshotId));
    const asking = this.#asking(request.caller);
    return { present, proposal: proposeDeleteSnapshot(this.#world(), present, request.snapshot, asking) };
  }

  async #proposeRollback(
    reader: StoreReader,
    read: Decision['read'],
    request: Pick<Request<'plan-rollback'>, 'caller' | 'volume' | 'basedOnGeneration' | 'snapshot'>,
  ): Promise<Proposed> {
    const present = await this.#changeable(reader, read, request);
    const asking = this.#asking(request.caller);
    return { present, proposal: proposeRollback(this.#world(), present, request.snapshot, asking) };
  }

  async #proposeDetach(
    reader: StoreReader,
    read: Decision['read'],
    request: Pick<Request<'plan-detach'>, 'caller' | 'volume' | 'basedOnGeneration'>,
  ): Promise<Proposed> {
    const present = await this.#changeable(reader, read, request);
    return { present, proposal: proposeDetach(this.#world(), present, this.#asking(request.caller)) };
  }

  async #proposeAttach(
    reader: StoreReader,
    read: Decision['read'],
    request: Pick<Request<'plan-attach'>, 'caller' | 'volume' | 'basedOnGeneration' | 'cardId' | 'functionId'>,
  ): Promise<Proposed> {
    const present = await this.#changeable(reader, read, request);
    const { cardId, functionId } = request;
    const { volume } = present;
    const isElsewhere = cardId !== undefined && cardId !== volume.cardId;
    if (volume.want.detached && isElsewhere) await refuseTorn(reader, volume, `attached to ${cardId}`);
    const wish = { cardId, functionId };
    return { present, proposal: proposeAttach(this.#world(), present, wish, this.#asking(request.caller)) };
  }

  async #proposeFailover(
    reader: StoreReader,
    read: Decision['read'],
    request: Pick<Request<'plan-failover'>, 'caller' | 'volume' | 'basedOnGeneration' | 'cardId'>,
  ): Promise<Proposed> {
    const found = await this.#found(reader, read, request);
    assertCertainStack(found);
    assertGeneration(found, request.basedOnGeneration);
    await refuseTorn(reader, found.volume, 'failed over');
    const wish = { cardId: request.cardId };
    return { present: found, proposal: proposeFailover(this.#world(), found, wish, this.#asking(request.caller)) };
  }

  async #changeable(
    reader: StoreReader,
    read: Decision['read'],
    request: { caller: Caller; volume: string; basedOnGeneration: number },
  ): Promise<Aggregate> {
    const present = await this.#found(reader, read, request);
    assertChangeable(present, request.basedOnGeneration);
    return present;
  }

  async #found(
    reader: StoreReader,
    read: Decision['read'],
    { caller, volume }: { caller: Caller; volume: string },
  ): Promise<Aggregate> {
    const { volumeId } = await findVolume(
      {
        volume: async (id) => (await read(id))?.volume ?? null,
        volumesNamed: (name, tenantId) => reader.volumesNamed(name, tenantId),
      },
      volume,
      caller,
    );
    const present = await read(volumeId);
    if (!present) throw new Error(`volume ${volumeId} was there a moment ago`);
    assertFollowed(this.#decisions.ports.fleet, present);
    return present;
  }

  #world() {
    return { fleet: this.#decisions.ports.fleet, deciding: this.#decisions.deciding() };
  }

  #asking(caller: Caller) {
    return { caller, trace: this.#decisions.ports.tracing.headers() };
  }
}

interface Proposed {
  readonly present: Aggregate | null;
  readonly proposal: Proposal;
  /** Where it is another than that which the change keeps. */
  readonly plan?: Plan;
  /** Where it begins no change. */
  readonly accept?: (decision: Decision) => Promise<Draft>;
}

const shownPlan = ({ plan, proposal }: Proposed): Plan => plan ?? proposal.change.plan;

/** A dry run reads what is committed. */
function readingFrom(reader: StoreReader): Decision['read'] {
  return (volumeId) => readAggregate(reader, volumeId);
}
