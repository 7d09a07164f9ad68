import type { LegReport, Problem, VolumeReport } from '@flexbso/contracts';

/** Enough to see what is wrong, and never itself too much. */
const MAX_WHY = 300;
const MAX_OWN_DETAIL = 300;
/** The contract's bound. */
const MAX_URI = 500;

/**
 * A report that was refused, without all that it does not need to be acted on: what was observed, the steps and long
 * texts. Its problem says that there was more.
 */
export function smallerReport<Report extends VolumeReport | LegReport>(report: Report, why: Problem): Report {
  const common = { steps: [], problem: smallerProblem(report.problem, why) };
  if ('legId' in report) return { ...report, ...common };
  const uri = report.uri !== null && report.uri.length <= MAX_URI ? report.uri : null;
  return { ...report, ...common, uri, progress: null, waitingFor: null, waitingSinceMs: null, observed: null };
}

function smallerProblem(own: Problem | null, why: Problem): Problem {
  const refused = `the full report was refused: ${why.code}: ${why.detail.slice(0, MAX_WHY)}`;
  if (own === null) return { code: why.code, detail: refused };
  return { code: own.code, detail: `${own.detail.slice(0, MAX_OWN_DETAIL)} (${refused})` };
}
