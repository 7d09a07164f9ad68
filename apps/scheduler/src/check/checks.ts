import { type Caller, type CheckDifference, type CheckReport, ProblemError } from '@flexbso/contracts';
import type { Decisions, SchedulerPorts } from '../decisions.js';
import { agreedAgents, differingVolumes } from '../diverged/differences.js';
import { type Reality, realityOf } from '../diverged/reality.js';
import { differencesOfBooks } from '../placement/books.js';
import { compare, type RecordedVolume } from './compare.js';
import { inspectAll } from './inspect-all.js';
import { recordedVolumes } from './recorded.js';

const MAX_DIFFERENCES = 500;

type Ports = Pick<SchedulerPorts, 'store' | 'fleet' | 'clock' | 'inspections'>;

/** Compares what is recorded with what every card and pool observes. Reads only. */
export class Checks {
  readonly #ports: Ports;
  readonly #decisions: Pick<Decisions, 'incarnation'>;

  constructor(ports: Ports, decisions: Pick<Decisions, 'incarnation'>) {
    this.#ports = ports;
    this.#decisions = decisions;
  }

  /** @throws ProblemError `forbidden` for a caller of one tenant: what is found is of all of them */
  async run({ caller }: { readonly caller: Caller }): Promise<CheckReport> {
    if (caller.tenantId !== null)
      throw new ProblemError({ code: 'forbidden', detail: 'a check looks at every tenant: use a token without one' });
    const { fleet, store, clock } = this.#ports;
    const before = await store.read(recordedVolumes);
    const inspections = await inspectAll(this.#ports);
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
    // Who follows another life of the database is compared by what it was given, and not by what these books want.
    const reality = realityOf(inspections, this.#decisions.incarnation);
    const diverged = new Set(reality.answered.filter((one) => one.isEstranged).map(({ role, id }) => `${role} ${id}`));
    const ours = inspections.filter(({ role, id }) => !diverged.has(`${role} ${id}`));
    const differences = [
      ...compare(volumes, ours),
      ...divergedDifferences(reality, after, this.#decisions.incarnation),
      ...(quiet ? books : []),
    ];
    return {
      v: 1,
      atMs: clock.nowMs(),
      volumes: volumes.length,
      legs: volumes.reduce((sum, { legs }) => sum + legs.length, 0),
      agents: inspections.length,
      underWay: volumes.filter((one) => one.isUnderWay).length,
      differences: differences.slice(0, MAX_DIFFERENCES),
      differenceCount: differences.length,
    };
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

function divergedDifferences(
  reality: Reality,
  recorded: readonly RecordedVolume[],
  incarnation: string,
): CheckDifference[] {
  const differing = differingVolumes(recorded, reality, incarnation);
  const found = differing.flatMap(({ differences }) =>
    differences.map(({ role, agentId, id, what }) => ({ where: `${role} ${agentId}`, id, what: what.slice(0, 500) })),
  );
  const agreed = agreedAgents(reality, differing).map(({ role, id }) => ({
    where: `${role} ${id}`,
    id,
    what: 'it follows another life of the database, and nothing of it differs: adopt it',
  }));
  return [...found, ...agreed];
}
