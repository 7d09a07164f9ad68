import type { Call, CallHooks } from '@flexbso/dataplane-memory';
import { DataPlaneError } from '@flexbso/dataplane-port';
import type { FaultKind } from '../faults/fault.js';
import type { Faults } from '../faults/faults.js';
import type { Chance } from '../time/chance.js';
import type { SimProcess } from '../processes/sim-process.js';

/** Of so many steps one lasts: messages come and go, and others act, while it is under way. */
const LASTING = 3;
const LASTS = { leastMs: 1, mostMs: 600 };
/** So long that somebody says something meanwhile: the agent itself does every 5 s. Shorter than the limit of any step. */
const LASTS_FOR_A_FAULT = { leastMs: 500, mostMs: 6_000 };

export interface PlaneParts {
  readonly process: SimProcess;
  readonly faults: Faults;
  readonly chance: Chance;
  readonly onActed: (call: Call) => void;
}

/** A data plane as one life of an agent reaches it: where it dies, fails, lies, and where what it did is noted. */
export function planeHooks(parts: PlaneParts): CallHooks {
  const { process, faults, chance, onActed } = parts;
  /** Of whatever else is under way there, it is this step that is struck. */
  const strikes = (kind: FaultKind, { method, step, subjectId }: Call): boolean =>
    method === 'perform' &&
    step !== null &&
    subjectId !== null &&
    faults.strikes(kind, process.name, { kind: step.kind, subjectId });
  const lasts = ({ leastMs, mostMs }: typeof LASTS): Promise<void> => process.clock.sleep(chance.int(leastMs, mostMs));
  return {
    before: async (call) => {
      const { method, step, subjectId } = call;
      if (subjectId !== null) faults.progress.ended(process.name, subjectId);
      if (method === 'perform' && step && subjectId !== null) {
        faults.progress.began(process.name, { kind: step.kind, subjectId });
        if (faults.isAwaitedFromOutside(step.kind) && chance.isOneIn(2)) await lasts(LASTS_FOR_A_FAULT);
        else if (chance.isOneIn(LASTING)) await lasts(LASTS);
      }
      await process.moment('before', `plane.${call.method}`);
      failBefore(call, chance, strikes);
    },
    lies: (call) => strikes('data-plane-lies', call),
    after: async (call) => {
      onActed(call);
      const isLost = strikes('answer-lost', call);
      await process.moment('after', `plane.${call.method}`);
      if (call.subjectId !== null) faults.progress.ended(process.name, call.subjectId);
      if (isLost) throw failed(call, 'its answer was lost', true);
    },
  };
}

function failBefore(call: Call, chance: Chance, strikes: (kind: FaultKind, call: Call) => boolean): void {
  const isRoomTaken = call.step?.kind === 'create-leg' || call.step?.kind === 'grow-leg';
  if (isRoomTaken && strikes('disk-full', call))
    throw new DataPlaneError({ code: 'pool-full', detail: 'the disk of the pool is full' });
  // Whether it may succeed later is the data plane's to say, and both are met.
  if (strikes('step-fails', call)) throw failed(call, 'it failed', chance.isOneIn(2));
}

function failed({ step, subjectId }: Call, why: string, retryable: boolean): DataPlaneError {
  return new DataPlaneError(
    { code: 'data-plane-failed', detail: `${step?.kind} of ${subjectId}: ${why}` },
    { retryable },
  );
}
