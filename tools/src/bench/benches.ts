import { agentReadyAndResident } from './agent.js';
import { awayFrom } from './away.js';
import type { Bench } from './bench.js';
import { feltBy } from './felt.js';
import { agentOfManyVolumes } from './many-volumes.js';
import { qosRequestToEcho } from './qos.js';
import { swapOfOneGibibyte } from './swap.js';

/** By the name that `--only` takes. */
export const benches: Readonly<Record<string, Bench>> = {
  swap: swapOfOneGibibyte,
  qos: qosRequestToEcho,
  agent: agentReadyAndResident,
  volumes: agentOfManyVolumes,
  'felt-nbd': feltBy('nbd'),
  'felt-guest': feltBy('guest'),
  'away-nbd': awayFrom('nbd'),
  'away-guest': awayFrom('guest'),
};
