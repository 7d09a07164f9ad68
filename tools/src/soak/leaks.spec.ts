import { describe, expect, it } from 'vitest';
import type { ProcessRecord } from '../cluster/processes.js';
import { descriptorsByProgram, descriptorsOf, heldReservations, strayFiles } from './leaks.js';

const line = (kind: string, value: number): string =>
  `bso_scheduler_fleet{kind="${kind}",otel_scope_name="x"} ${value} 17\n`;

const record = (name: string): ProcessRecord => ({ name, pid: process.pid, startTicks: 0 });

describe('what a soak finds left over', () => {
  const before = new Set(['/agents/card-1/session.json']);
  const known = new Set(['vol-aaaaaaaaaa', 'leg-aaaaaaaaaa']);

  it('is each file of a volume or leg that is not known, and each that nobody had before', () => {
    const paths = [
      '/agents/card-1/session.json',
      '/agents/card-1/journal/vol-aaaaaaaaaa.jsonl',
      '/agents/card-1/journal/vol-bbbbbbbbbb.jsonl',
      '/pools/pool-1/leg-aaaaaaaaaa.raw',
      '/pools/pool-1/leg-bbbbbbbbbb.raw',
      '/run/card-1/something-new',
    ];
    expect(strayFiles(paths, before, known)).toEqual([
      '/agents/card-1/journal/vol-bbbbbbbbbb.jsonl',
      '/pools/pool-1/leg-bbbbbbbbbb.raw',
      '/run/card-1/something-new',
    ]);
  });

  it('is read of the reservations from the metrics of the scheduler', () => {
    expect(heldReservations(`# HELP x\n${line('card', 3)}${line('volume', 4)}${line('leg', 9)}`)).toEqual({
      volume: 4,
      leg: 9,
    });
    expect(() => heldReservations(line('card', 3))).toThrow('no reservations of a volume');
  });

  it('is counted of descriptors while a process runs', () => {
    expect(descriptorsOf(process.pid)).toBeGreaterThan(2);
    expect(descriptorsOf(2 ** 30)).toBeNull();
  });

  it('is counted of an active service and its standby together', () => {
    const counts = descriptorsByProgram(['scheduler', 'scheduler-2', 'agent-card-2'].map(record));
    expect([...counts.keys()]).toEqual(['scheduler', 'agent-card-2']);
    expect(counts.get('scheduler')).toBeGreaterThan(counts.get('agent-card-2') ?? 0);
  });
});
