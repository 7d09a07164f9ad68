import { type Bench, residentBytesOf } from './bench.js';
import { atMost, median } from './measurement.js';

const AGENT_STARTS = 5;

/** The bundled agent of a storage target: from its start to its word that it is ready, and its memory a moment later. */
export const agentReadyAndResident: Bench = async ({ cluster, say }) => {
  const name = 'agent-card-3';
  const readyMs: number[] = [];
  const residentMb: number[] = [];
  for (let start = 0; start < AGENT_STARTS; start += 1) {
    await cluster.kill(name, 'SIGTERM');
    const begunAt = performance.now();
    await cluster.restart(name);
    readyMs.push(performance.now() - begunAt);
    residentMb.push(residentBytesOf(cluster.process(name).pid) / 1e6);
  }
  say(`  ready in ${readyMs.map((ms) => ms.toFixed(0)).join(', ')} ms`);
  return [
    atMost('agent, start to ready', median(readyMs), 'ms', 300),
    atMost('agent, resident when ready', Math.max(...residentMb), 'MB', 100),
  ];
};
