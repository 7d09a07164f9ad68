import { join } from 'node:path';
import { changeSchema } from '@flexbso/contracts';
import type { Change } from '@flexbso/contracts';
import { z } from 'zod';
import { until } from '../api/until.js';
import { dataPlanesIn } from '../cluster/data-planes.js';
import { killProcesses } from '../cluster/processes.js';
import type { ChangeScene, DemoChange } from '../demo/changes.js';
import type { BlockLedger } from '../load/block-ledger.js';
import { fillVolume } from '../load/fio.js';
import type { LoadTarget } from '../load/target.js';

/** One of three legs of a mirror; no other pool that card-1 reaches is left to take its place. */
const POOL_ID = 'pool-4';
/** A leg is given up after half a minute; a change that waits for its pool is begun a second later. */
const DEADLINE_MS = 120_000;

/** What is measured is the replacement. While the leg is waited for, a guest waits too: that is what `away-…` measures. */
export const legReplaced: DemoChange = {
  name: 'a leg that failed replaced by itself: mirror',
  prepare: loseLeg,
  cause: replaced,
};

/** Ends whoever serves the leg, and writes all of the volume: only so it is seen. */
async function loseLeg(
  { cluster, api, volumeId }: ChangeScene,
  target: LoadTarget,
  ledger: BlockLedger,
): Promise<void> {
  await cluster.kill(`agent-${POOL_ID}`, 'SIGKILL');
  await killProcesses(dataPlanesIn(join(cluster.folders.run, POOL_ID)));
  const { failedIo } = await fillVolume(target, ledger);
  if (failedIo > 0) throw new Error(`${failedIo} I/Os failed when one of three legs was lost`);
  await until('it is degraded', DEADLINE_MS, async () => (await api.volume(volumeId)).degraded !== null);
}

/** The pool is there again, with a disk that is as good as new. */
async function replaced({ cluster, api, volumeId }: ChangeScene): Promise<Change> {
  await cluster.restart(`agent-${POOL_ID}`);
  let healing: Change | undefined;
  await until('its leg is being replaced', DEADLINE_MS, async () => {
    const { items } = await api.get(`/v1/changes?volumeId=${volumeId}`, z.object({ items: z.array(changeSchema) }));
    healing = items.find(({ kind, plan }) => kind === 'heal' && plan.steps.length > 0);
    return healing !== undefined;
  });
  if (healing === undefined) throw new Error(`nothing replaced the leg of ${volumeId}`);
  return healing;
}
