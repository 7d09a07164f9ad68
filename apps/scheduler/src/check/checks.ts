import { type AgentRole, type Caller, type CheckReport, finalChangeStates, ProblemError } from '@flexbso/contracts';
import { differencesOfBooks } from '../placement/books.js';
import type { SchedulerPorts } from '../decisions.js';
import type { Cursor, StoreReader } from '../store/store.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import { type Inspection, type RecordedVolume, compare } from './compare.js';

/** Agents asked at the same time: each looks at all that it runs, on cards that carry guests. */
const ASKED_AT_ONCE = 16;
const PAGE_SIZE = 500;
const MAX_DIFFERENCES = 500;

type Ports = Pick<SchedulerPorts, 'store' | 'fleet' | 'clock' | 'inspections'>;

/** Compares what is recorded with what every card and pool observes. Reads only. */
export class Checks {
  readonly #ports: Ports;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /** @throws ProblemError `forbidden` for a caller of one tenant: what is found is of all of them */
  async run({ caller }: { readonly caller: Caller }): Promise<CheckReport> {
    if (caller.tenantId !== null)
      throw new ProblemError({ code: 'forbidden', detail: 'a check looks at every tenant: use a token without one' });
    const { fleet, store, clock } = this.#ports;
    const before = await store.read(recordedVolumes);
    const agents = [
      ...[...fleet.cards()].map(({ snapshot }) => ({ role: 'card' as const, id: snapshot.cardId })),
      ...[...fleet.pools()].map(({ snapshot }) => ({ role: 'pool' as const, id: snapshot.poolId })),
    ];
    const inspections: Inspection[] = [];
    for (let from = 0; from < agents.length; from += ASKED_AT_ONCE)
      inspections.push(
        ...(await Promise.all(agents.slice(from, from + ASKED_AT_ONCE).map((one) => this.#inspect(one)))),
      );
    // Both times at rest, on the same operation: what was observed in between is what it is at rest.
    const after = await store.read(recordedVolumes);
    const volumes = atRestThroughout(before, after);
    const reservations = await store.read((reader) => reader.reservations());
    const books = differencesOfBooks(fleet, reservations).map((id) => ({
      where: 'scheduler',
      id,
      what: 'the books in memory and the database hold different reservations',
    }));
    const quiet = volumes.every((one) => !one.isUnderWay);
    const differences = [...compare(volumes, inspections), ...(quiet ? books : [])];
    return {
      v: 1,
      atMs: clock.nowMs(),
      volumes: volumes.length,
      legs: volumes.reduce((sum, { legs }) => sum + legs.length, 0),
      agents: agents.length,
      underWay: volumes.filter((one) => one.isUnderWay).length,
      differences: differences.slice(0, MAX_DIFFERENCES),
      differenceCount: differences.length,
    };
  }

  async #inspect({ role, id }: { role: AgentRole; id: string }): Promise<Inspection> {
    try {
      return { role, id, answer: await this.#ports.inspections.ask(role, id) };
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      return { role, id, answer: { failure: failure.slice(0, 400) } };
    }
  }
}

function atRestThroughout(before: readonly RecordedVolume[], after: readonly RecordedVolume[]): RecordedVolume[] {
  const known = new Map(before.map((one) => [one.volume.volumeId, one]));
  const now = new Set(after.map((one) => one.volume.volumeId));
  const still = after.map((one) => {
    const then = known.get(one.volume.volumeId);
    const isSameOperation = then !== undefined && then.volume.cardOperationId === one.volume.cardOperationId;
    return isSameOperation && !then.isUnderWay ? one : { ...one, isUnderWay: true };
  });
  const gone = before.filter((one) => !now.has(one.volume.volumeId)).map((one) => ({ ...one, isUnderWay: true }));
  return [...still, ...gone];
}

async function recordedVolumes(reader: StoreReader): Promise<RecordedVolume[]> {
  const found: RecordedVolume[] = [];
  let after: Cursor | null = null;
  for (;;) {
    const page: VolumeRecord[] = await reader.volumes(null, after, PAGE_SIZE);
    for (const volume of page) found.push(await recordedVolume(reader, volume));
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_SIZE) return found;
    after = { createdAtMs: last.createdAtMs, id: last.volumeId };
  }
}

async function recordedVolume(reader: StoreReader, volume: VolumeRecord): Promise<RecordedVolume> {
  const change = volume.changeId === null ? null : await reader.change(volume.changeId);
  const entry = await reader.desiredItem('card', volume.cardId, volume.volumeId);
  return {
    volume,
    legs: await reader.legsOf(volume.volumeId),
    reservations: await reader.reservationsOf(volume.volumeId),
    given: entry?.role === 'card' ? entry.item : null,
    isUnderWay: change === null || !finalChangeStates.includes(change.state),
  };
}
