import { poolSnapshotSchema } from '@flexbso/contracts';
import { z } from 'zod';
import { ApiClient } from '../api/client.js';
import type { DemoClient } from '../demo/changes.js';
import { requireClient } from '../demo/client.js';
import { runChanges } from '../demo/run-changes.js';
import { LONGEST_IO_LIMIT_MS } from '../demo/table.js';
import type { ChangeUnderLoad } from '../load/change-under-load.js';
import type { Bench } from './bench.js';
import { feltChanges } from './felt-changes.js';
import { feltTable } from './felt-table.js';
import type { FeltChange } from './felt-table.js';
import { atMost, median } from './measurement.js';
import type { Measurement } from './measurement.js';

/** Single longest I/Os scatter with the machine's noise; medians of five tell a change from it. */
const REPEATS = 5;
/** Of a try, which is not measured. */
const TRIAL_TIMINGS = { warmUpMs: 1_000, baselineMs: 1_000 };
const TIMINGS = { warmUpMs: 5_000, baselineMs: 10_000 };
/** A change may be felt as an I/O of twice what was the longest before it, or of so much more, whichever is larger. */
const MOST_TIMES = 2;
const MOST_MORE_MS = 25;

/** What each kind of change made a client feel. */
export const feltBy =
  (client: DemoClient): Bench =>
  async ({ cluster, folder, say, part }) => {
    requireClient(client);
    const canCompress = await canPoolCompress(new ApiClient(cluster.address));
    if (!canCompress) say('  without compression: pool-5 cannot');
    const changes = feltChanges(client, canCompress).filter(({ name }) => name.includes(part));
    if (changes.length === 0) throw new Error(`--part ${part}: this machine can make no change that is called so`);
    const common = { cluster, client, changes, folder, planted: null, say: () => undefined };
    const tried = await runChanges({ ...common, ...TRIAL_TIMINGS });
    say(`  tried once, to know how long each takes: ${listOf(tried, (row) => row.seconds)} s`);
    const expectedMs = new Map(tried.map(({ name, seconds }) => [name, seconds * 1000]));
    const repeats: ChangeUnderLoad[][] = [];
    while (repeats.length < REPEATS) {
      const rows = await runChanges({ ...common, ...TIMINGS, expectedMs });
      repeats.push(rows);
      say(`  repeat ${repeats.length} of ${REPEATS}: longest I/Os ${listOf(rows, (row) => row.longestIoMs, 0)} ms`);
    }
    const felt = changes.map(({ name }) => feltOf(client, name, repeats.flat(), tried));
    for (const { name, rows } of felt) say(rawLine(name, rows));
    say(`\n${feltTable(felt)}\n`);
    return felt.flatMap(({ measurements }) => measurements);
  };

function feltOf(
  client: DemoClient,
  name: string,
  repeats: readonly ChangeUnderLoad[],
  tried: readonly ChangeUnderLoad[],
): FeltChange {
  const ofIt = (row: ChangeUnderLoad): boolean => row.name === name;
  const rows = repeats.filter(ofIt);
  return { name, rows, measurements: feltMeasurements(`${client}: ${name}`, rows, tried.filter(ofIt)) };
}

async function canPoolCompress(api: ApiClient): Promise<boolean> {
  const { items } = await api.get('/v1/pools', z.object({ items: z.array(poolSnapshotSchema) }));
  const pool = items.find(({ poolId }) => poolId === 'pool-5');
  return pool?.capabilities.has.some(({ name }) => name === 'compress-leg') ?? false;
}

const listOf = (rows: readonly ChangeUnderLoad[], valueOf: (row: ChangeUnderLoad) => number, digits = 1): string =>
  rows.map((row) => valueOf(row).toFixed(digits)).join(', ');

function rawLine(name: string, rows: readonly ChangeUnderLoad[]): string {
  return [
    `  ${name}`,
    `    longest I/O ${listOf(rows, (row) => row.longestIoMs)} ms, before it ${listOf(rows, (row) => row.baselineLongestIoMs)} ms`,
    `    p99.9 ${listOf(rows, (row) => row.p999IoMs)} ms`,
    `    took ${listOf(rows, (row) => row.seconds, 2)} s, failed ${listOf(rows, (row) => row.failedIo, 0)}, wrong bytes ${listOf(rows, (row) => row.wrongBytes, 0)}`,
  ].join('\n');
}

const isWhole = (row: ChangeUnderLoad): boolean =>
  row.failedIo === 0 && row.wrongBytes === 0 && row.longestIoMs <= LONGEST_IO_LIMIT_MS;

/**
 * The medians of the repeats of one change. None holds when a repeat, or the try before them, had a failed I/O, a wrong
 * byte, or an I/O over a second.
 */
export function feltMeasurements(
  name: string,
  rows: readonly ChangeUnderLoad[],
  tried: readonly ChangeUnderLoad[] = [],
): Measurement[] {
  const whole = [...tried, ...rows].every(isWhole);
  const before = median(rows.map((row) => row.baselineLongestIoMs));
  const mostMs = Math.max(MOST_TIMES * before, before + MOST_MORE_MS);
  const longest = atMost(`${name}, longest I/O`, median(rows.map((row) => row.longestIoMs)), 'ms', mostMs);
  const p999 = atMost(`${name}, p99.9`, median(rows.map((row) => row.p999IoMs)), 'ms', mostMs);
  return [
    {
      ...longest,
      comparedWith: { name: 'the longest just before', value: before },
      reach: `x${MOST_TIMES} or +${MOST_MORE_MS} ms`,
      holds: whole && longest.holds,
    },
    {
      ...p999,
      reach: `the reach of the longest I/O, ${mostMs.toFixed(1)} ms`,
      holds: whole && p999.holds,
    },
  ];
}
