import type { ObservedVolume, Problem } from '@flexbso/contracts';
import { isChainComplete, isWantedExport, stackOf } from './observation.js';
import type { PlannedVolume } from './planned-volume.js';
import { problem } from './problems.js';

/**
 * Why an observation must not be acted on, or null. Most of these are `needs-operator`: what is seen cannot
 * come from the steps that are recorded, and a guess could open a stale stack or copy over a newer one.
 */
export function contradictionOf(
  observed: ObservedVolume,
  desired: PlannedVolume,
  appliedStackGeneration: number | null,
): Problem | null {
  const reason =
    identityReason(observed, desired) ??
    headlessReason(observed, desired, appliedStackGeneration) ??
    headReason(observed, desired, appliedStackGeneration);
  return reason === null
    ? null
    : problem('needs-operator', `volume ${desired.volumeId}: ${reason}; nothing was touched`, {
        volumeId: desired.volumeId,
      });
}

/** A data plane between two states: not a contradiction, only not the moment to plan. */
export function transitionProblem({ volumeId, copy }: ObservedVolume): Problem | null {
  if (copy?.state !== 'in-transition') return null;
  return problem(
    'data-plane-failed',
    `volume ${volumeId}: the copy to stack ${copy.toStackGeneration} is between two states; look again`,
    { lookAgain: true },
  );
}

function identityReason(observed: ObservedVolume, desired: PlannedVolume): string | null {
  if (observed.volumeId !== desired.volumeId) return `what was observed belongs to ${observed.volumeId}`;
  const isAnythingOpen =
    observed.head !== null || observed.stacks.length > 0 || observed.copy !== null || observed.exports.length > 0;
  return !observed.running && isAnythingOpen ? 'its data plane does not run, and yet parts of it are open' : null;
}

function headlessReason(
  observed: ObservedVolume,
  desired: PlannedVolume,
  appliedStackGeneration: number | null,
): string | null {
  if (observed.head) return null;
  if (observed.exports.length > 0 || observed.copy) return 'it has no head, and yet an export or a copy';
  const wanted = desired.stack.stackGeneration;
  if (appliedStackGeneration === null || appliedStackGeneration === wanted) return null;
  // The wanted stack may be empty or half copied: showing it to the guest would be data loss.
  return `nothing runs and stack ${appliedStackGeneration} carried the guest, not stack ${wanted}: rebuild stack ${appliedStackGeneration} first, then swap`;
}

function headReason(
  observed: ObservedVolume,
  desired: PlannedVolume,
  appliedStackGeneration: number | null,
): string | null {
  const { head, copy } = observed;
  if (!head) return null;
  const wanted = desired.stack;
  const strange = observed.exports.find((shown) => !isWantedExport(shown, desired));
  // A volume moves to another function beneath no swap: what is shown elsewhere then is nobody's wish.
  const isMove = strange?.protocol === desired.export.protocol && head.stackGeneration === wanted.stackGeneration;
  if (strange && !isMove)
    return `it is exported as ${strange.protocol} on function ${strange.functionId}, and is to be on ${desired.export.functionId} as ${desired.export.protocol}`;
  const carrier = stackOf(observed, head.stackGeneration);
  if (!carrier || carrier.legs.length === 0)
    return `its head is on stack ${head.stackGeneration}, of which no leg is open`;
  if (head.stackGeneration === wanted.stackGeneration && !isChainComplete(observed, desired)) {
    return `stack ${head.stackGeneration} carries the guest, but its legs, epochs, layers or key are not the wanted ones`;
  }
  if (copy && (copy.state === 'done') !== (copy.toStackGeneration === head.stackGeneration)) {
    return `its head is on stack ${head.stackGeneration}, and yet a copy to stack ${copy.toStackGeneration} is ${copy.state}`;
  }
  return rollbackReason(observed, desired, appliedStackGeneration);
}

/** The wanted stack has carried the guest, or was about to; the head is on another, and no copy goes forward. */
function rollbackReason(
  { head, copy }: ObservedVolume,
  desired: PlannedVolume,
  appliedStackGeneration: number | null,
): string | null {
  const wanted = desired.stack.stackGeneration;
  if (!head || head.stackGeneration === wanted || appliedStackGeneration !== wanted) return null;
  // An overlay on what carries the guest holds all of it from the start: there is no copy that could be missing.
  if (desired.bases?.[0]?.stackGeneration === head.stackGeneration) return null;
  const canGoForward = copy?.toStackGeneration === wanted && (copy.state === 'running' || copy.state === 'ready');
  return canGoForward
    ? null
    : `the cut-over to stack ${wanted} is recorded, the head is on stack ${head.stackGeneration}, and no healthy copy joins them`;
}
