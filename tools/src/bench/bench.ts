import { readFileSync } from 'node:fs';
import type { Change, Volume } from '@flexbso/contracts';
import type { ApiClient } from '../api/client.js';
import type { Cluster } from '../cluster/cluster.js';
import type { Measurement } from './measurement.js';

export interface BenchSetting {
  readonly cluster: Cluster;
  /** For files of the benchmark's own. */
  readonly folder: string;
  readonly say: (line: string) => void;
  /** Only what is called so, of a benchmark that measures several; empty: all of it. */
  readonly part: string;
}

export type Bench = (setting: BenchSetting) => Promise<Measurement[]>;

/** Seconds each; two minutes are a hang. */
const DEADLINE_MS = 120_000;

/** A volume on card-1 and its own pool, settled. */
export async function createdVolume(api: ApiClient, name: string, sizeBytes: number): Promise<Volume> {
  const created = await api.createVolume({
    name,
    sizeBytes,
    protocol: 'nbd',
    placement: { cardId: 'card-1', poolIds: ['pool-1'] },
  });
  await completed(api, created.change);
  return api.volume(created.volume.volumeId);
}

export function uriOf(volume: Volume): string {
  if (volume.uri === null) throw new Error(`volume ${volume.volumeId} is not served`);
  return volume.uri;
}

/** Waits until a change has settled; throws, with the reason, when it ended otherwise. */
export async function completed(api: ApiClient, change: Change): Promise<Change> {
  const ended = await api.ended(change.changeId, DEADLINE_MS);
  if (ended.state !== 'settled')
    throw new Error(`change ${ended.changeId} is ${ended.state}: ${ended.problem?.detail ?? 'no reason'}`);
  return ended;
}

/** VmRSS of /proc/PID/status, in kB (proc(5)). */
export function residentBytesOf(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (match === null) throw new Error(`process ${pid} has no resident memory`);
  return Number(match[1]) * 1024;
}
