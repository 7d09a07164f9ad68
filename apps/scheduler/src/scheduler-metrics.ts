import type { RpcStats } from '@flexbso/messaging';
import type { Fleet } from '@flexbso/placement';
import { metrics } from '@opentelemetry/api';

/** What the scheduler shows of itself: how much of the fleet is held, and what it heard. No ids in labels. */
export function measureScheduler(of: {
  fleet: Fleet;
  messages: () => RpcStats;
  waitingDecisions: () => number;
  overdueChanges: () => number;
  pauses: () => number;
  degradedVolumes: () => number;
  badLegEvents: () => Readonly<Record<string, number>>;
  unflushedLostEvents: () => number;
}): void {
  const meter = metrics.getMeter('flexbso.scheduler');
  meter
    .createObservableGauge('bso.scheduler.decisions.waiting', {
      unit: '{decision}',
      description: 'Decisions that wait for their turn',
    })
    .addCallback((result) => result.observe(of.waitingDecisions()));
  meter
    .createObservableGauge('bso.scheduler.changes.overdue', {
      unit: '{change}',
      description: 'Changes under way whose step outlives its limit',
    })
    .addCallback((result) => result.observe(of.overdueChanges()));
  meter
    .createObservableGauge('bso.scheduler.pauses', {
      unit: '{pause}',
      description: 'Cards whose changes are paused; the fleet counts as one',
    })
    .addCallback((result) => result.observe(of.pauses()));
  meter
    .createObservableGauge('bso.scheduler.volumes.degraded', {
      unit: '{volume}',
      description: 'Volumes that go on without a leg',
    })
    .addCallback((result) => result.observe(of.degradedVolumes()));
  meter
    .createObservableCounter('bso.scheduler.legs.bad', {
      unit: '{event}',
      description: 'Events of bad legs, by what was found',
    })
    .addCallback((result) => {
      for (const [fault, count] of Object.entries(of.badLegEvents())) result.observe(count, { fault });
    });
  meter
    .createObservableCounter('bso.scheduler.volumes.unflushed_lost', {
      unit: '{event}',
      description: 'Volumes built again without what their guests had not flushed',
    })
    .addCallback((result) => result.observe(of.unflushedLostEvents()));
  meter
    .createObservableGauge('bso.scheduler.fleet', {
      unit: '{item}',
      description: 'Cards and pools known, and reservations held',
    })
    .addCallback((result) => {
      result.observe(of.fleet.cardCount, { kind: 'card' });
      result.observe(of.fleet.poolCount, { kind: 'pool' });
      result.observe([...of.fleet.cardReservations()].length, { kind: 'volume' });
      result.observe([...of.fleet.legReservations()].length, { kind: 'leg' });
    });
  meter
    .createObservableCounter('bso.scheduler.messages', {
      unit: '{message}',
      description: 'Messages heard, by what became of them',
    })
    .addCallback((result) => {
      for (const [outcome, count] of Object.entries(of.messages())) result.observe(Number(count), { outcome });
    });
}
