import type { LegReport, Problem } from '@flexbso/contracts';
import { desiredStacks, isSame } from '@flexbso/stack';
import type { ChangeRecord } from '../changes/change-record.js';
import type { Deciding, Draft } from '../changes/draft.js';
import { advance, forgetLeg, isOfLeg, saidOfLeg, turnBack } from '../changes/saga.js';
import { isFinal } from '../changes/transitions.js';
import { noteLegSaid } from '../changes/waiting.js';
import { retellCard } from '../desired/desired-items.js';
import type { LegRecord } from '../legs/leg-record.js';
import { noteSteps } from './steps.js';

/** Takes a pool's report on one leg over. The caller has checked that it is for the leg's present operation. */
export function hearLeg(draft: Draft, legId: string, report: LegReport, deciding: Deciding): void {
  const leg = draft.legs.find((one) => one.legId === legId);
  if (!leg) return;
  if (leg.changeId === draft.change.changeId || leg.state === 'deleting') {
    noteSteps(draft, { role: 'pool', id: leg.poolId }, report.steps, { legId, problem: report.problem });
  }
  switch (report.phase) {
    case 'ready':
      ready(draft, leg, report);
      break;
    case 'deleted':
      // Only a tombstone is answered so; else the pool says that it lost the leg, which the card will notice, not we.
      if (leg.state === 'deleting') {
        mended(draft, leg);
        forgetLeg(draft, leg);
      }
      break;
    case 'failed':
      failed(draft, leg, report, deciding);
      break;
    case 'working':
      // The pool tries again by itself; meanwhile the reason is shown.
      if (report.problem !== null) ailing(draft, leg, report.problem);
      break;
  }
  advance(draft, deciding);
  noteLegSaid(draft, leg, report.problem);
}

/** Shown with the change, but for one that is, or was, taken back: its problem says why. */
function ailing({ change }: Draft, leg: LegRecord, problem: Problem): void {
  const isTakenBack = change.reverting || (isFinal(change.state) && change.state !== 'settled');
  if (!isTakenBack) change.problem = saidOfLeg(problem, leg);
}

/** What was the matter with this leg is not any more, unless the volume's card says that there is more. */
function mended({ change, volume }: Draft, leg: LegRecord): void {
  if (change.reverting || volume.state === 'needs-operator' || !isOfLeg(change.problem, leg)) return;
  change.problem = null;
}

function ready(draft: Draft, leg: LegRecord, { address, access, epoch, sizeBytes }: LegReport): void {
  if (leg.state === 'deleting' || address === null) return;
  // Of an older epoch: the pool has not fenced it yet.
  if (epoch < leg.epoch) return;
  // The same identity may come sealed anew, for a card that has another sealing key now.
  const isElsewhere = !isSame(leg.address, address) || !isSame(leg.access, access);
  leg.address = address;
  leg.access = access;
  if (isElsewhere) tellCard(leg, draft);
  // Too small: the pool has not grown it yet, but the guest's I/O goes there all the same.
  if (sizeBytes < leg.sizeBytes) return;
  mended(draft, leg);
  leg.awaited = false;
  if (leg.state === 'creating') leg.state = 'ready';
}

/** The pool serves the leg at another address than before, or under another key. */
function tellCard({ address, access, legId }: LegRecord, draft: Draft): void {
  const isGiven =
    draft.given !== null && desiredStacks(draft.given).some(({ legs }) => legs.some((one) => one.legId === legId));
  if (address === null || !isGiven) return;
  retellCard(draft, (stack) => ({
    ...stack,
    legs: stack.legs.map((one) => (one.legId === legId ? { ...one, address, access } : one)),
  }));
}

function failed(draft: Draft, leg: LegRecord, report: LegReport, deciding: Deciding): void {
  const { change } = draft;
  const problem = report.problem ?? {
    code: 'step-failed',
    detail: `pool ${leg.poolId} failed at ${leg.legId} and gave no reason`,
  };
  // A fence, and a deletion, are never taken back: the pool tries further.
  if (change.state === 'preparing' && leg.awaited && !isCarriedOut(change.kind))
    turnBack(draft, problem, 'undone', deciding);
  // A leg that cannot be deleted, or be served again, is the pool's to try further; the reason is shown.
  else ailing(draft, leg, problem);
}

const isCarriedOut = (kind: ChangeRecord['kind']) => kind === 'failover' || kind === 'attach' || kind === 'delete';
