import type { Call, CallHooks } from '@flexbso/dataplane-memory';
import { DataPlaneError } from '@flexbso/dataplane-port';
import type { Faults } from '../faults/faults.js';
import type { Chance } from '../time/chance.js';
import type { SimProcess } from '../processes/sim-process.js';

/** Of so many steps one lasts: messages come and go, and others act, while it is under way. */
const LASTING = 3;
const LASTS = { leastMs: 1, mostMs: 600 };

export interface PlaneParts {
  readonly process: SimProcess;
  readonly faults: Faults;
  readonly chance: Chance;
  readonly onActed: (call: Call) => void;
}

/** A data plane as one life of an agent reaches it: where it dies, fails, lies, and where what it did is noted. */
export function planeHooks(parts: PlaneParts): CallHooks {
  const { process, faults, chance, onActed } = parts;
  return {
    before: async (call) => {
      if (call.method === 'perform' && call.step) {
        faults.progress.began(process.name, call.step.kind);
        if (chance.isOneIn(LASTING)) await process.clock.sleep(chance.int(LASTS.leastMs, LASTS.mostMs));
      }
      await process.moment('before', `plane.${call.method}`);
      failBefore(call, parts);
    },
    lies: (call) => call.method === 'perform' && faults.strikes('data-plane-lies', process.name),
    after: async (call) => {
      onActed(call);
      const isLost = call.method === 'perform' && faults.strikes('answer-lost', process.name);
      await process.moment('after', `plane.${call.method}`);
      if (isLost) throw failed(call, 'its answer was lost', true);
    },
  };
}

function failBefore(call: Call, { process, faults, chance }: PlaneParts): void {
  if (call.method !== 'perform') return;
  const isRoomTaken = call.step?.kind === 'create-leg' || call.step?.kind === 'grow-leg';
  if (isRoomTaken && faults.strikes('disk-full', process.name))
    throw new DataPlaneError({ code: 'pool-full', detail: 'the disk of the pool is full' });
  // Whether it may succeed later is the data plane's to say, and both are met.
  if (faults.strikes('step-fails', process.name)) throw failed(call, 'it failed', chance.isOneIn(2));
}

function failed({ step, subjectId }: Call, why: string, retryable: boolean): DataPlaneError {
  return new DataPlaneError(
    { code: 'data-plane-failed', detail: `${step?.kind} of ${subjectId}: ${why}` },
    { retryable },
  );
}
