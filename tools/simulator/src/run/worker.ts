import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { plant } from '../plants/plant.js';

const shareSchema = z.strictObject({
  firstSeed: z.int(),
  beyondSeed: z.int(),
  stride: z.int().min(1),
  planted: z.string().nullable(),
});

const { firstSeed, beyondSeed, stride, planted } = shareSchema.parse(workerData);
if (planted !== null) plant(planted);
// Only now: what is planted has to be there when the production code is loaded.
const { Run } = await import('./run.js');
for (let seed = firstSeed; seed < beyondSeed; seed += stride) {
  const result = await new Run(seed).play();
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  parentPort?.postMessage(result);
}
