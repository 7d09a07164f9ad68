import type { LegReport } from '@flexbso/contracts';
import { isSame } from '@flexbso/stack';
import type { Deciding, Draft } from '../changes/draft.js';
import { advance, forgetLeg, turnBack } from '../changes/saga.js';
import type { LegRecord } from '../legs/leg-record.js';
import { noteSteps } from './steps.js';

/** Takes a pool's report on one leg over. The caller has checked that it is for the leg's present operation. */
export function hearLeg(draft: Draft, legId: string, report: LegReport, deciding: Deciding): void {
  const leg = draft.legs.find((one) => one.legId === legId);
  if (!leg) return;
  if (leg.changeId === draft.change.changeId || leg.state === 'deleting') {
    noteSteps(draft, { role: 'pool', id: leg.poolId }, report.steps, legId);
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
  // Too small or of an older epoch: the pool has not done yet what this operation asks for.
  if (epoch < leg.epoch || sizeBytes < leg.sizeBytes) return;
  const isElsewhere = !isSame(leg.address, address) || leg.access?.identity !== access?.identity;
  leg.address = address;
  leg.access = access;
  if (leg.awaited && draft.change.state === 'preparing') draft.change.problem = null;
  leg.awaited = false;
  if (leg.state === 'creating') leg.state = 'ready';
  if (isElsewhere) tellCard(draft, leg);
}

/** The pool serves the leg at another address than before: the card learns it under the operation that it has. */
function tellCard(draft: Draft, leg: LegRecord): void {
  const { given, volume } = draft;
  const { address, access } = leg;
  if (given === null || address === null || !given.stack.legs.some((one) => one.legId === leg.legId)) return;
  const { revision: _, ...item } = given;
  const legs = given.stack.legs.map((one) => (one.legId === leg.legId ? { ...one, address, access } : one));
  draft.given = { ...given, stack: { ...given.stack, legs } };
  draft.desired.push({
    kind: 'put',
    role: 'card',
    agentId: volume.cardId,
    item: { ...item, stack: { ...item.stack, legs } },
  });
}

function failed(draft: Draft, leg: LegRecord, report: LegReport, deciding: Deciding): void {
  const { change } = draft;
  const problem = report.problem ?? {
    code: 'step-failed',
    detail: `pool ${leg.poolId} failed at ${leg.legId} and gave no reason`,
  };
  if (change.state === 'preparing' && leg.awaited) turnBack(draft, problem, 'undone', deciding);
  // A leg that cannot be deleted, or be served again, is the pool's to try further; the reason is shown.
  else change.problem = problem;
}
