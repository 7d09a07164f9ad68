import type { LegReport } from '@flexbso/contracts';
import { desiredStacks, isSame } from '@flexbso/stack';
import type { Deciding, Draft } from '../changes/draft.js';
import { advance, forgetLeg, turnBack } from '../changes/saga.js';
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
      if (leg.state === 'deleting') forgetLeg(draft, leg);
      break;
    case 'failed':
      failed(draft, leg, report, deciding);
      break;
    case 'working':
      // The pool tries again by itself; meanwhile the reason is shown.
      if (report.problem !== null) draft.change.problem = report.problem;
      break;
  }
  advance(draft, deciding);
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
  const { change, volume } = draft;
  // Of a settled change it is what was the matter with a leg since, unless its card says that there is more.
  const isMended = change.state === 'settled' && volume.state !== 'needs-operator';
  if ((leg.awaited && change.state === 'preparing') || isMended) change.problem = null;
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
  // A fence is never taken back: the pool tries further.
  if (change.state === 'preparing' && leg.awaited && change.kind !== 'failover' && change.kind !== 'attach')
    turnBack(draft, problem, 'undone', deciding);
  // A leg that cannot be deleted, or be served again, is the pool's to try further; the reason is shown.
  else change.problem = problem;
}
