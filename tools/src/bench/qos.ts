import { setTimeout as delay } from 'node:timers/promises';
import { ApiClient } from '../api/client.js';
import { type Bench, completed, createdVolume } from './bench.js';
import { atMost, percentile } from './measurement.js';

/** These do not count: the services have run for seconds only, and most of their code not once. */
const QOS_WARM_UP = 100;
const QOS_CHANGES = 200;
const QOS_PAUSE_MS = 100;

/** From sending the request to the scheduler's having taken the card's report: both on this machine's clock. */
export const qosRequestToEcho: Bench = async ({ cluster, say }) => {
  const api = new ApiClient(cluster.address);
  const volume = await createdVolume(api, 'bench-qos', 64 * 1024 ** 2);
  const tookMs: number[] = [];
  let { generation } = await api.volume(volume.volumeId);
  for (let change = 0; change < QOS_WARM_UP + QOS_CHANGES; change += 1) {
    const sentAtMs = performance.timeOrigin + performance.now();
    const changed = await api.patchVolume(volume.volumeId, generation, { qos: { iopsTotal: 1000 + change } });
    // Asking how far it is would compete with what is measured.
    await delay(QOS_PAUSE_MS);
    const ended = await completed(api, changed.change);
    if (change >= QOS_WARM_UP) tookMs.push(Number(ended.appliedAtMs) - sentAtMs);
    generation = ended.toGeneration;
  }
  await completed(api, (await api.deleteVolume(volume.volumeId)).change);
  say(`  ${QOS_CHANGES} changes, longest ${Math.max(...tookMs).toFixed(1)} ms`);
  return [
    atMost('QoS change, HTTP request to echo, p50', percentile(tookMs, 0.5), 'ms', 15),
    atMost('QoS change, HTTP request to echo, p99', percentile(tookMs, 0.99), 'ms', 60),
  ];
};
