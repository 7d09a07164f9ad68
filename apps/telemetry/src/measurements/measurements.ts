import type { AgentRole, LegMeasurement, Measure } from '@flexbso/contracts';

export interface MeasurementsOptions {
  /** Volumes, and agents, that have series of their own. */
  readonly maxSeries: number;
  /** An agent that has not measured for so long is forgotten. */
  readonly forgetMs: number;
}

/**
 * A thousand volumes are seven thousand series: what one Prometheus takes without notice. Above it the sums stay right,
 * and a series says how many volumes have none of their own.
 */
export const measurementsDefaults: MeasurementsOptions = { maxSeries: 1_000, forgetMs: 120_000 };

interface Latest {
  readonly role: AgentRole;
  readonly id: string;
  readonly measure: Measure;
  readonly receivedAtMs: number;
}

interface Metric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: readonly { readonly labels?: Readonly<Record<string, string>>; readonly value: number }[];
}

/**
 * The latest measurements of every card and pool, as Prometheus reads them. Written here rather than through
 * OpenTelemetry's instruments, which keep the series of a volume that is long gone.
 */
export class Measurements {
  readonly #options: MeasurementsOptions;
  readonly #latest = new Map<string, Latest>();

  constructor(options: MeasurementsOptions = measurementsDefaults) {
    this.#options = options;
  }

  /** Keeps what an agent measured instead of what it measured before. An older measurement is dropped. */
  add(role: AgentRole, id: string, measure: Measure, nowMs: number): void {
    const key = `${role}/${id}`;
    const before = this.#latest.get(key);
    if (before && before.measure.atMs > measure.atMs && nowMs - before.receivedAtMs < this.#options.forgetMs) return;
    this.#latest.set(key, { role, id, measure, receivedAtMs: nowMs });
  }

  /** What these legs were last measured to take, and where; those that nobody measures are left out. */
  legs(legIds: readonly string[]): (LegMeasurement & { poolId: string; atMs: number })[] {
    const wanted = new Set(legIds);
    return [...this.#latest.values()]
      .filter(({ role }) => role === 'pool')
      .flatMap(({ id, measure: { legs, atMs } }) =>
        legs.filter(({ legId }) => wanted.has(legId)).map((leg) => ({ ...leg, poolId: id, atMs })),
      );
  }

  /** In Prometheus's text format, version 0.0.4. */
  text(nowMs: number): string {
    for (const [key, { receivedAtMs }] of this.#latest) {
      if (nowMs - receivedAtMs > this.#options.forgetMs) this.#latest.delete(key);
    }
    const latest = [...this.#latest.values()];
    return [...this.#volumeMetrics(latest), ...this.#agentMetrics(latest)].map(textOf).join('');
  }

  #volumeMetrics(latest: readonly Latest[]): Metric[] {
    const all = latest.flatMap(({ id, measure }) => measure.volumes.map((volume) => ({ card: id, ...volume })));
    const shown = all.slice(0, this.#options.maxSeries);
    const perVolume = (pick: (volume: (typeof all)[number]) => number) =>
      shown.map((volume) => ({ labels: { volume_id: volume.volumeId, card_id: volume.card }, value: pick(volume) }));
    const counter = (name: string, help: string, pick: (volume: (typeof all)[number]) => number): Metric => ({
      name: `flexbso_volume_${name}_total`,
      type: 'counter',
      help: `${help}, since the start of the volume's data plane`,
      samples: perVolume(pick),
    });
    return [
      counter('read_bytes', 'Bytes that the guest has read', ({ readBytes }) => readBytes),
      counter('written_bytes', 'Bytes that the guest has written', ({ writtenBytes }) => writtenBytes),
      counter('read_operations', 'Reads of the guest', ({ readOperations }) => readOperations),
      counter('write_operations', 'Writes of the guest', ({ writeOperations }) => writeOperations),
      {
        name: 'flexbso_volume_resident_bytes',
        type: 'gauge',
        help: "Resident memory of the volume's data plane",
        samples: perVolume(({ residentBytes }) => residentBytes),
      },
      gauge('flexbso_volumes_measured', 'Volumes that cards measure', all.length),
      gauge('flexbso_volumes_without_series', 'Measured volumes beyond the bound of series', all.length - shown.length),
    ];
  }

  #agentMetrics(latest: readonly Latest[]): Metric[] {
    const shown = latest.slice(0, this.#options.maxSeries);
    const allocated = ({ measure }: Latest) => measure.legs.reduce((sum, leg) => sum + leg.allocatedBytes, 0);
    const pools = shown.filter(({ role }) => role === 'pool');
    return [
      {
        name: 'flexbso_agent_resident_bytes',
        type: 'gauge',
        help: 'Resident memory of the agent',
        samples: shown.map(({ role, id, measure }) => ({ labels: { role, id }, value: measure.agentResidentBytes })),
      },
      {
        name: 'flexbso_pool_allocated_bytes',
        type: 'gauge',
        help: "Bytes that the pool's legs take",
        samples: pools.map((pool) => ({ labels: { pool_id: pool.id }, value: allocated(pool) })),
      },
      {
        name: 'flexbso_pool_saved_bytes',
        type: 'gauge',
        help: "Bytes that the pool's legs would take more if they were not compressed",
        samples: pools.map((pool) => ({ labels: { pool_id: pool.id }, value: savedBytes(pool.measure) })),
      },
      gauge('flexbso_agents_measured', 'Agents that measure', latest.length),
      gauge('flexbso_agents_without_series', 'Agents beyond the bound of series', latest.length - shown.length),
    ];
  }
}

/** Below zero where compression costs more than it saves: small files, of content that does not shrink. */
function savedBytes({ legs }: Measure): number {
  return legs.reduce(
    (sum, { allocatedBytes, uncompressedBytes }) => sum + (uncompressedBytes ?? allocatedBytes) - allocatedBytes,
    0,
  );
}

function gauge(name: string, help: string, value: number): Metric {
  return { name, type: 'gauge', help, samples: [{ value }] };
}

/** Ids and roles hold nothing that would have to be escaped in a label. */
function textOf({ name, type, help, samples }: Metric): string {
  const lines = samples.map(({ labels = {}, value }) => {
    const list = Object.entries(labels).map(([key, text]) => `${key}="${text}"`);
    return `${name}${list.length === 0 ? '' : `{${list.join(',')}}`} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}
