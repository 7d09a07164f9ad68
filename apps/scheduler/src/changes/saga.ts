import type { ChangeState, Problem } from '@flexbso/contracts';
import { acceptedPlanOf } from '@flexbso/stack';
import { giveCard, givePool } from '../desired/desired-items.js';
import { ownOnly } from '../follow-up/follow-up.js';
import type { LegRecord } from '../legs/leg-record.js';
import { keptGenerations, snapshotsAfter } from '../snapshots/kept-stacks.js';
import { exactReservations, formerReservations } from '../placement/volume-reservations.js';
import { beginWait, type ChangeRecord, type NextStage } from './change-record.js';
import type { Deciding, Draft } from './draft.js';
import { holdOf, isOfNextStage, isUntold, legsOfStage, noteHold } from './hold.js';
import { arrivalEvents, assertTransition, isFinal } from './transitions.js';
import { noteDue } from './overdue.js';
import { noteWait } from './waiting.js';

/**
 * The saga of a change. `advance` looks at the facts that reports left in the draft and makes every move that is due;
 * with no new fact it changes nothing, so it may be called after any report, and again after a restart.
 *
 *   preparing → applying   when every leg of the wanted stack is ready
 *   applying  → retiring   by the card's report (see card-report.ts)
 *   retiring  → settled    when the card has closed, and pools have deleted, what only older generations had
 *   retiring  → preparing  likewise, where a second stage follows
 *   undoing   → undone     when the card is back on the old stack, and pools have deleted what was new
 *
 * While a pause holds the change it is neither begun nor given to its card, and nothing of it is deleted.
 */
export function advance(draft: Draft, deciding: Deciding): void {
  if (!isFinal(draft.change.state)) {
    if (draft.change.state === 'preparing' && !holdOf(draft, deciding)) prepare(draft, deciding);
    if (draft.change.state === 'retiring' || draft.change.state === 'undoing') {
      // Nothing is destroyed while its change is held.
      if (!holdOf(draft, deciding)) deleteClosedLegs(draft, deciding);
      const isLeft = draft.change.kind !== 'delete' || draft.volume.formerCards.length === 0;
      if (draft.change.cardSettled && doomedLegs(draft).length === 0 && isLeft) endStage(draft, deciding);
    }
  }
  noteHold(draft, deciding);
  noteWait(draft, deciding);
  if (noteDue(draft, deciding)) announce(draft, 'overdue', { ...draft.change.overdue });
}

/** Moves the change on, by the table, and says so. */
export function moveTo(draft: Draft, state: ChangeState): void {
  const { change } = draft;
  assertTransition(change.changeId, change.state, state);
  change.state = state;
  beginWait(change);
  announce(draft, arrivalEvents[state]);
}

export function announce(draft: Draft, what: string, data: Draft['events'][number]['data'] = {}): void {
  const { change } = draft;
  const about = {
    volumeId: change.volumeId,
    changeKind: change.kind,
    generation: change.toGeneration,
    state: change.state,
  };
  const problem = change.problem ? { problem: change.problem.code, detail: change.problem.detail.slice(0, 300) } : {};
  draft.events.push({ kind: 'change', id: change.changeId, what, data: { ...about, ...problem, ...data } });
}

/** What is told of a change that ended in another one's decision. */
export function endEvent(change: ChangeRecord): Draft['events'][number] {
  const { changeId, volumeId, kind, toGeneration, state, problem } = change;
  const because = problem === null ? {} : { problem: problem.code, detail: problem.detail.slice(0, 300) };
  return {
    kind: 'change',
    id: changeId,
    what: state,
    data: { volumeId, changeKind: kind, generation: toGeneration, state, ...because },
  };
}

export function announceVolume(draft: Draft, what: string, more: Draft['events'][number]['data'] = {}): void {
  const { volume, change } = draft;
  const data = {
    name: volume.name,
    changeId: change.changeId,
    generation: volume.generation,
    state: volume.state,
    cardId: volume.cardId,
  };
  draft.events.push({ kind: 'volume', id: volume.volumeId, what, data: { ...data, ...more } });
}

function prepare(draft: Draft, deciding: Deciding): void {
  const { change } = draft;
  if (change.kind === 'delete' || (draft.volume.want.detached && change.kind !== 'rollback')) {
    takeAway(draft, deciding);
    return;
  }
  tellPools(draft, deciding);
  if (legsOfStage(draft).some((leg) => leg.awaited)) return;
  if (draft.volume.want.detached) {
    appliedByPools(draft, deciding);
    return;
  }
  const origin = change.kind === 'heal' ? 'healing' : 'person';
  giveCard(draft, deciding, { tombstone: false, origin, plan: change.plan.card });
  moveTo(draft, 'applying');
}

function takeAway(draft: Draft, deciding: Deciding): void {
  const { change } = draft;
  if (draft.volume.cardOperationId === null) {
    // No card has anything of this volume: there is nothing to take away from one.
    change.cardSettled = true;
    moveTo(draft, 'retiring');
    return;
  }
  // What runs is not what is recorded, so no plan that was shown is the one that is right: it is bound in what it destroys.
  const how = isOfTheUnknown(change)
    ? { origin: 'healing' as const, plan: { ...acceptedPlanOf([]), destroys: doomedThings(draft) } }
    : { origin: 'person' as const, plan: change.plan.card };
  giveCard(draft, deciding, { tombstone: true, ...how });
  moveTo(draft, 'applying');
}

/** A deletion of a volume that waited for an operator: there is nothing certain to go back to. */
export function isOfTheUnknown({ kind, from }: ChangeRecord): boolean {
  return kind === 'delete' && from === null;
}

/** No card has the volume, so it is what it is to be as soon as its pools have the legs. */
function appliedByPools(draft: Draft, { nowMs }: Deciding): void {
  const { volume, change } = draft;
  volume.appliedGeneration = volume.generation;
  change.appliedAtMs = nowMs;
  change.cardSettled = true;
  moveTo(draft, 'retiring');
  setRoles(draft);
}

/** Pools are told which legs carry the volume, which are kept for snapshots, and which are to go. */
export function setRoles(draft: Draft): void {
  const doomed = new Set(doomedLegs(draft));
  for (const leg of legsOfStage(draft)) {
    const isWanted = leg.stackGeneration === draft.volume.want.stackGeneration;
    const role = isWanted ? 'current' : doomed.has(leg) ? 'retiring' : 'frozen';
    if (doomed.has(leg)) leg.state = 'retiring';
    if (leg.role === role) continue;
    leg.role = role;
    givePool(draft, leg);
  }
}

function tellPools(draft: Draft, deciding: Deciding): void {
  for (const leg of legsOfStage(draft)) {
    if (!isUntold(draft, leg)) continue;
    leg.changeId = draft.change.changeId;
    leg.operationId = deciding.newId('op');
    givePool(draft, leg);
  }
}

/**
 * Turns back: what was before is wanted again, as a new generation with the same stack and the same legs. A card that
 * was given a new volume is given its tombstone.
 */
export function turnBack(draft: Draft, problem: Problem, endsAs: 'undone' | 'refused', deciding: Deciding): void {
  const { volume, change } = draft;
  change.problem = change.next?.isBegun ? halfWay(volume, problem) : problem;
  if (!change.next?.isBegun) change.next = null;
  change.endsAs = endsAs;
  change.reverting = true;
  volume.generation += 1;
  moveTo(draft, 'undoing');
  // Of a leg that was to be fenced for another card there is no older epoch to go back to.
  if (change.from?.detached && change.kind !== 'rollback') tellPools(draft, deciding);
  else dropUntold(draft);
  // Healing, since nobody accepts the plan of an undo: it may destroy only what the change itself had made.
  const destroys = doomedThings(draft);
  const plan = { ...acceptedPlanOf([]), destroys };
  goBack(draft);
  const isOnCard = change.from !== null && !change.from.detached;
  if (!isOnCard && volume.cardOperationId === null) change.cardSettled = true;
  else giveCard(draft, deciding, { tombstone: !isOnCard, origin: 'healing', plan });
}

/** Bytes are not taken from a guest again, so a second stage is undone to the end of the first. */
function halfWay({ want }: Draft['volume'], problem: Problem): Problem {
  const stack = want.stack.layers.map(({ kind }) => kind).join(', ');
  return {
    ...problem,
    detail: `the volume has grown to ${want.sizeBytes} bytes and is carried by one leg; its stack (${stack}) could not be made again, so ask for it once more: ${problem.detail}`,
  };
}

function goBack({ volume, change }: Draft): void {
  if (change.from === null) return;
  const { functionId, ...want } = change.from;
  volume.want = want;
  if (functionId !== undefined) volume.functionId = functionId;
}

/** What no pool has heard of needs no pool to go, and is as large as it was. */
function dropUntold(draft: Draft): void {
  const { given } = draft;
  const kept = keptStacks(draft);
  for (const leg of draft.legs.filter((one) => isUntold(draft, one))) {
    const before = given?.stack.legs.find(({ legId }) => legId === leg.legId);
    if (!kept?.has(leg.stackGeneration)) forgetLeg(draft, leg);
    else if (before) {
      leg.sizeBytes = before.sizeBytes;
      leg.awaited = false;
    }
  }
}

/**
 * Ends a failover that the new card could not carry out. There is no way back, since the old card is fenced: nobody
 * carries the volume until an operator fails it over again, to the same card or another.
 */
export function endFailover(draft: Draft, problem: Problem, endsAs: 'undone' | 'refused', deciding: Deciding): void {
  const { volume, change } = draft;
  change.problem = problem;
  change.progress = null;
  change.settledAtMs = deciding.nowMs;
  moveTo(draft, 'undoing');
  moveTo(draft, endsAs);
  volume.state = 'needs-operator';
  announceVolume(draft, 'needs-operator');
}

function doomedThings(draft: Draft): string[] {
  const kept = keptStacks(draft) ?? new Set();
  const legs = draft.legs.filter((leg) => !kept.has(leg.stackGeneration)).map((leg) => `leg ${leg.legId}`);
  return [...legs, ...draft.keys.filter((key) => !kept.has(key.stackGeneration)).map((key) => `key ${key.keyRef}`)];
}

/** The generations of the stacks that stay when the change is over; null: none does, since the volume goes. */
export function keptStacks({ volume, change }: Pick<Draft, 'volume' | 'change'>): Set<number> | null {
  const nothingStays = change.reverting ? change.from === null : change.kind === 'delete';
  if (nothingStays) return null;
  const want = change.reverting && change.from !== null ? change.from : volume.want;
  return keptGenerations(want, snapshotsAfter({ volume, change }));
}

/** Legs that are to go in this change and have not gone yet. */
export function doomedLegs(draft: Draft): LegRecord[] {
  const kept = keptStacks(draft);
  return draft.legs.filter((leg) => (kept === null || !kept.has(leg.stackGeneration)) && !isOfNextStage(draft, leg));
}

/** A pool is told to delete a leg only after the card has closed it, or never had it. */
function deleteClosedLegs(draft: Draft, deciding: Deciding): void {
  for (const leg of doomedLegs(draft)) {
    if (leg.heldByCard || leg.state === 'deleting') continue;
    leg.state = 'deleting';
    leg.role = 'retiring';
    leg.operationId = deciding.newId('op');
    leg.awaited = true;
    givePool(draft, leg);
  }
}

/** A problem of a leg, as its pool said it: it is over when that pool says so, and not when a card does. */
export function saidOfLeg(problem: Problem, { legId, poolId }: LegRecord): Problem {
  return { ...problem, facts: { ...problem.facts, legId, saidBy: `pool ${poolId}` } };
}

/** Whether a problem is what its pool said of this leg. */
export function isOfLeg(problem: Problem | null, { legId, poolId }: LegRecord): boolean {
  return problem?.facts?.['legId'] === legId && problem.facts['saidBy'] === `pool ${poolId}`;
}

/** The pool has deleted the leg: what it held is free. */
export function forgetLeg(draft: Draft, leg: LegRecord): void {
  draft.legs = draft.legs.filter((one) => one.legId !== leg.legId);
  draft.volume.legFaults = draft.volume.legFaults.filter((fault) => fault.legId !== leg.legId);
  draft.reservations = draft.reservations.filter((one) => one.reservationId !== leg.legId);
  draft.desired.push({ kind: 'forget', role: 'pool', agentId: leg.poolId, itemId: leg.legId });
}

/** The card has said that it has nothing of the volume any more. */
function forgetOnCard(draft: Draft): void {
  const { volume } = draft;
  if (volume.cardOperationId === null) return;
  draft.desired.push({ kind: 'forget', role: 'card', agentId: volume.cardId, itemId: volume.volumeId });
  volume.cardOperationId = null;
  draft.given = null;
}

function endStage(draft: Draft, deciding: Deciding): void {
  const { change } = draft;
  if (change.reverting || change.next === null || change.next.isBegun) conclude(draft, deciding);
  else beginSecondStage(draft, change.next, deciding);
}

/** From here on the volume goes back, if it has to, to where the first stage ended. */
function beginSecondStage(draft: Draft, next: NextStage, deciding: Deciding): void {
  const { volume, change } = draft;
  const kept = new Set([...keptGenerations(volume.want, volume.snapshots), next.want.stackGeneration]);
  draft.keys = draft.keys.filter((key) => kept.has(key.stackGeneration));
  volume.settledGeneration = volume.generation;
  volume.generation += 1;
  change.from = volume.want;
  volume.want = next.want;
  change.next = { ...next, isBegun: true };
  change.plan = { ...change.plan, card: next.card };
  change.operationId = null;
  change.cardSettled = false;
  change.progress = null;
  // It came too late for the first stage, and says nothing of the second.
  change.cancel = null;
  if (volume.followUp !== null) volume.followUp = ownOnly(volume.followUp);
  moveTo(draft, 'preparing');
  if (!holdOf(draft, deciding)) prepare(draft, deciding);
}

function conclude(draft: Draft, deciding: Deciding): void {
  const { volume, change } = draft;
  const kept = keptStacks(draft);
  draft.keys = draft.keys.filter((key) => kept?.has(key.stackGeneration) ?? false);
  volume.snapshots = snapshotsAfter(draft);
  volume.settledGeneration = volume.generation;
  change.settledAtMs = deciding.nowMs;
  change.progress = null;
  if (change.reverting && change.cancel?.outcome === null) change.cancel.outcome = 'undone';
  // What was in its way is overcome, but for what is the matter with a leg that stays.
  if (!change.reverting && !draft.legs.some((leg) => isOfLeg(change.problem, leg))) change.problem = null;
  moveTo(draft, change.reverting ? change.endsAs : 'settled');
  if (kept === null || volume.want.detached) forgetOnCard(draft);
  if (kept !== null) {
    draft.reservations = [...exactReservations(volume, draft.legs), ...formerReservations(volume, draft.reservations)];
    volume.state = volume.want.detached ? 'detached' : 'ready';
    // Also where no card was given anything yet: there is nothing to be applied.
    if (volume.want.detached) volume.appliedGeneration = volume.generation;
    announceVolume(draft, volume.want.detached ? 'detached' : change.kind === 'attach' ? 'attached' : 'changed');
    return;
  }
  draft.reservations = [];
  // A volume that could not be made stays visible with its reason until somebody deletes it.
  draft.volumeGone = change.kind === 'delete';
  volume.state = draft.volumeGone ? 'deleting' : 'failed';
  announceVolume(draft, draft.volumeGone ? 'deleted' : 'failed');
}
