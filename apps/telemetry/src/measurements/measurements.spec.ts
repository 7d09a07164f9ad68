import { type Measure, measureSchema } from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';
import { Measurements } from './measurements.js';

const volumeId = (n: number) => `vol-${String(n).padStart(10, '0')}`;

function measure(volumes: number, changes: Partial<Measure> = {}): Measure {
  const volume = { readBytes: 10, writtenBytes: 20, readOperations: 1, writeOperations: 2, residentBytes: 30 };
  return measureSchema.parse({
    v: 1,
    atMs: 1_000,
    volumes: Array.from({ length: volumes }, (_, n) => ({ volumeId: volumeId(n), ...volume })),
    legs: [],
    agentResidentBytes: 40,
    ...changes,
  });
}

describe('measurements', () => {
  it('are shown by volume, agent and pool', () => {
    const measurements = new Measurements();
    measurements.add('card', 'card-1', measure(1), 0);
    const legs = [1, 2].map((n) => ({ legId: `leg-000000000${n}`, allocatedBytes: 100 }));
    measurements.add('pool', 'pool-1', measure(0, { legs }), 0);
    const text = measurements.text(0);
    expect(text).toContain('# TYPE flexbso_volume_read_bytes_total counter\n');
    expect(text).toContain(`flexbso_volume_written_bytes_total{volume_id="${volumeId(0)}",card_id="card-1"} 20\n`);
    expect(text).toContain('flexbso_agent_resident_bytes{role="pool",id="pool-1"} 40\n');
    expect(text).toContain('flexbso_pool_allocated_bytes{pool_id="pool-1"} 200\n');
  });

  it('show what was measured last', () => {
    const measurements = new Measurements();
    measurements.add('card', 'card-1', measure(0, { atMs: 2_000, agentResidentBytes: 2 }), 0);
    measurements.add('card', 'card-1', measure(0, { atMs: 1_000, agentResidentBytes: 1 }), 0);
    expect(measurements.text(0)).toContain('flexbso_agent_resident_bytes{role="card",id="card-1"} 2\n');
  });

  it('have a bounded number of series, and say what has none', () => {
    const measurements = new Measurements({ maxSeries: 3, forgetMs: 1_000 });
    measurements.add('card', 'card-1', measure(5), 0);
    const text = measurements.text(0);
    expect(text.match(/^flexbso_volume_read_bytes_total/gm)).toHaveLength(3);
    expect(text).toContain('flexbso_volumes_measured 5\n');
    expect(text).toContain('flexbso_volumes_without_series 2\n');
  });

  it('of an agent that measures no more are forgotten', () => {
    const measurements = new Measurements({ maxSeries: 3, forgetMs: 1_000 });
    measurements.add('card', 'card-1', measure(1), 0);
    expect(measurements.text(1_000)).toContain('card-1');
    expect(measurements.text(1_001)).not.toContain('card-1');
  });
});
