import { type Attributes, metrics, type ObservableResult } from '@opentelemetry/api';
import type { RpcStats } from '@flexbso/messaging';
import { stateOf } from './agents/agent-record.js';
import type { KeptAgent } from './agents/agent-store.js';

/** What is measured, asked at each collection. Labels are roles, states and outcomes; never an id. */
export interface Measured {
  readonly agents: () => readonly KeptAgent[];
  readonly heldVerdicts: () => number;
  readonly waitingSnapshots: () => number;
  readonly messages: () => RpcStats;
}

/** Call after observability has started: an instrument made earlier records nothing. */
export function measureInventory(measured: Measured): void {
  const meter = metrics.getMeter('flexbso.inventory');
  meter
    .createObservableGauge('flexbso.inventory.agents', { description: 'Cards and pools, by role, state and cordon' })
    .addCallback((result) => countAgents(measured.agents(), result));
  meter
    .createObservableGauge('flexbso.inventory.hosts', { description: 'Hosts that registered cards and pools name' })
    .addCallback((result) =>
      result.observe(new Set(measured.agents().map(({ record }) => record.registration.hostId)).size),
    );
  meter
    .createObservableGauge('flexbso.inventory.held_verdicts', {
      description: 'Agents whose lease is over and whose verdict waits, since too many fell silent together',
    })
    .addCallback((result) => result.observe(measured.heldVerdicts()));
  meter
    .createObservableGauge('flexbso.inventory.waiting_snapshots', {
      description: 'Changed snapshots not yet published',
    })
    .addCallback((result) => result.observe(measured.waitingSnapshots()));
  meter
    .createObservableCounter('flexbso.inventory.messages', { description: 'Messages heard, by what became of them' })
    .addCallback((result) => {
      for (const [outcome, count] of Object.entries(measured.messages())) result.observe(count, { outcome });
    });
}

function countAgents(agents: readonly KeptAgent[], result: ObservableResult): void {
  const groups = new Map<string, { labels: Attributes; count: number }>();
  for (const { record } of agents) {
    const labels = { role: record.role, state: stateOf(record), cordoned: record.cordoned };
    const key = JSON.stringify(labels);
    const group = groups.get(key) ?? { labels, count: 0 };
    groups.set(key, { labels, count: group.count + 1 });
  }
  for (const { labels, count } of groups.values()) result.observe(count, labels);
}
