import type { Problem, VolumeReport } from '@flexbso/contracts';
import type { Deciding, Draft } from '../changes/draft.js';
import { beginWait } from '../changes/change-record.js';
import { cancelledBy } from '../changes/cancel.js';
import {
  advance,
  announce,
  announceVolume,
  endFailover,
  isOfLeg,
  isOfTheUnknown,
  moveTo,
  setRoles,
  turnBack,
} from '../changes/saga.js';
import { isFinal } from '../changes/transitions.js';
import { noteSaid, type Wait, waitNow } from '../changes/waiting.js';
import { carriersOf } from '../snapshots/kept-stacks.js';
import { noteLegFaults } from './leg-faults.js';
import { noteOutage } from './outage.js';
import { noteSteps } from './steps.js';

/**
 * Takes a card's report on one volume over. The caller has checked that it is for the operation that the card was
 * given last. While a change is still being prepared, or is over, the report is about what was given before it.
 */
export function hearCard(draft: Draft, report: VolumeReport, deciding: Deciding): void {
  const { volume, change } = draft;
  if (report.uri !== null) volume.uri = report.uri;
  noteOutage(draft, report.outage, deciding);
  noteLegFaults(draft, report.legFaults);
  if (change.operationId !== report.operationId || isFinal(change.state)) {
    hearBetweenChanges(draft, report);
    return;
  }
  const isOvertaken = noteSteps(draft, { role: 'card', id: volume.cardId }, report.steps, {
    legId: null,
    problem: report.problem,
  });
  // It stopped since, and said so once: by what it did before, the change would be waited for for ever.
  if (isOvertaken && report.phase === 'working' && change.state === 'needs-operator') return;
  change.progress = report.progress;
  change.bytesCopied = Math.max(change.bytesCopied, report.bytesCopied);
  const before = waitNow(change);
  beginWait(change);
  if (change.state === 'needs-operator' && !isStuck(draft, report)) resume(draft);
  hearPhase(draft, report, deciding);
  advance(draft, deciding);
  noteSaid(draft, before, saidBy(draft, report));
}

function saidBy({ volume, change }: Draft, { phase, waitingFor, waitingSinceMs }: VolumeReport): Wait | null {
  if (phase !== 'working' || waitingFor === null || isFinal(change.state)) return null;
  return { waitingFor: `card ${volume.cardId}: ${waitingFor}`, waitingSinceMs };
}

/** The card does not move: it says so, or says again that it would not go back. */
function isStuck({ change }: Draft, { phase }: VolumeReport): boolean {
  const isRefusal = phase === 'refused' || phase === 'plan-changed' || phase === 'undone';
  return phase === 'needs-operator' || (change.reverting && isRefusal);
}

function hearBetweenChanges(draft: Draft, report: VolumeReport): void {
  const { volume, change } = draft;
  // Of a change that ended otherwise the problem says why.
  const isOurs = change.state === 'settled';
  if (isOurs && volume.state !== 'needs-operator') noteAtRest(draft, report);
  if (report.phase === 'needs-operator') {
    if (isOurs) change.problem = report.problem;
    if (volume.state === 'needs-operator') return;
    volume.state = 'needs-operator';
    announceVolume(draft, 'needs-operator', report.problem === null ? {} : { problem: report.problem.detail });
  } else if (report.phase === 'settled' && volume.state === 'needs-operator' && isFinal(change.state)) {
    volume.state = 'ready';
    if (isOurs) change.problem = null;
    announceVolume(draft, 'changed');
  }
}

/** I/O goes on, and yet what runs is not as it should be: the card waits for somebody to mend it, or tries by itself. */
function noteAtRest({ change, legs }: Draft, { phase, problem, steps }: VolumeReport): void {
  if (phase !== 'working' && phase !== 'settled') return;
  // From before it ended, and overtaken by that.
  if (steps.some(({ outcome }) => outcome === 'running')) return;
  const isPassing = problem?.facts?.['lookAgain'] === true;
  const isOfALeg = legs.some((leg) => isOfLeg(change.problem, leg));
  if (problem !== null && !isPassing) change.problem = problem;
  else if (problem === null && !isOfALeg) change.problem = null;
}

function hearPhase(draft: Draft, report: VolumeReport, deciding: Deciding): void {
  const { change } = draft;
  switch (report.phase) {
    case 'working':
      return;
    case 'applied':
      applied(draft, deciding);
      return;
    case 'settled':
      applied(draft, deciding);
      closed(draft, report);
      change.cardSettled = true;
      return;
    case 'gone':
      gone(draft, report, deciding);
      return;
    case 'undone':
    case 'refused':
    case 'plan-changed':
      failed(draft, report, deciding);
      return;
    case 'needs-operator':
      if (change.kind === 'failover' && change.state === 'applying') failed(draft, report, deciding);
      else stop(draft, report.problem);
  }
}

/** The wanted stack carries the guest. A report may say `settled` at once; then this is part of it. */
function applied(draft: Draft, deciding: Deciding): void {
  const { volume, change } = draft;
  volume.appliedGeneration = volume.generation;
  delete volume.want.neverBuilt;
  if (change.state !== 'applying') return;
  change.appliedAtMs = deciding.nowMs;
  moveTo(draft, 'retiring');
  noteLateCancel(draft);
  for (const snapshot of volume.snapshots)
    if (snapshot.changeId === change.changeId && snapshot.state === 'making') snapshot.state = 'ready';
  setRoles(draft);
}

function noteLateCancel(draft: Draft): void {
  const { cancel } = draft.change;
  if (cancel?.outcome !== null) return;
  cancel.outcome = 'cut-over-passed';
  announce(draft, 'cancel-too-late');
}

function gone(draft: Draft, report: VolumeReport, deciding: Deciding): void {
  const { volume, change } = draft;
  const { detached = false } = volume.want;
  if (change.kind !== 'delete' && !detached && !change.reverting) return;
  volume.uri = null;
  volume.appliedGeneration = volume.generation;
  for (const leg of draft.legs) leg.heldByCard = false;
  change.cardSettled = true;
  if (change.state !== 'applying') return;
  change.appliedAtMs = deciding.nowMs;
  moveTo(draft, 'retiring');
  noteLateCancel(draft);
  if (!detached) for (const leg of draft.legs) leg.state = 'retiring';
  change.bytesCopied = report.bytesCopied;
}

/**
 * Which legs the card holds no longer: those that it names, and those that a report of an end implies, unless what it
 * observed in the same report still shows them open.
 */
function closed(draft: Draft, report: VolumeReport): void {
  const carriers = carriersOf(draft.volume.want);
  const named = new Set(report.closedLegIds);
  const open = new Set(report.observed?.stacks.flatMap((stack) => stack.legs.map((leg) => leg.legId)));
  for (const leg of draft.legs) {
    const isWanted = carriers.includes(leg.stackGeneration);
    if (named.has(leg.legId) || (!isWanted && !open.has(leg.legId))) leg.heldByCard = false;
  }
}

/** Before the cut-over: the guest is as before. */
function failed(draft: Draft, report: VolumeReport, deciding: Deciding): void {
  const { change } = draft;
  // The way back was refused: the card has concluded that operation and will not try again by itself.
  if (change.state === 'undoing') {
    stop(
      draft,
      report.problem ?? { code: 'needs-operator', detail: `the card reported ${report.phase} while going back` },
    );
    return;
  }
  // Past the cut-over: the card's own retry goes on; the reason is shown.
  if (change.state !== 'applying') {
    change.problem = report.problem;
    return;
  }
  const endsAs = report.phase === 'undone' ? 'undone' : 'refused';
  const problem = report.problem ?? {
    code: 'step-failed',
    detail: `the card reported ${report.phase} and gave no reason`,
  };
  if (change.kind === 'failover') {
    endFailover(draft, problem, endsAs, deciding);
    return;
  }
  if (isOfTheUnknown(change)) {
    stop(draft, problem);
    return;
  }
  const before = change.from === null ? [] : carriersOf(change.from);
  const open = new Set(report.observed?.stacks.flatMap((stack) => stack.legs.map((leg) => leg.legId)));
  const isToldClosed = report.phase !== 'undone' || report.observed !== null;
  for (const leg of draft.legs) {
    const isNew = !before.includes(leg.stackGeneration);
    if (isNew && (report.closedLegIds.includes(leg.legId) || (isToldClosed && !open.has(leg.legId))))
      leg.heldByCard = false;
  }
  const { cancel } = change;
  turnBack(draft, cancel && problem.code === 'cancelled' ? cancelledBy(cancel.by) : problem, endsAs, deciding);
}

function stop(draft: Draft, problem: Problem | null): void {
  const { change, volume } = draft;
  change.problem = problem;
  if (change.state === 'needs-operator') return;
  moveTo(draft, 'needs-operator');
  volume.state = 'needs-operator';
  announceVolume(draft, 'needs-operator');
}

function resume(draft: Draft): void {
  const { change, volume } = draft;
  change.problem = change.reverting ? change.problem : null;
  volume.state = change.kind === 'delete' ? 'deleting' : change.kind === 'create' ? 'creating' : 'changing';
  moveTo(draft, change.reverting ? 'undoing' : 'applying');
}
