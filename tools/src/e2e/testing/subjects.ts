import { type Change, type CheckReport, checkReportSchema, type Volume, type VolumePatch } from '@flexbso/contracts';
import { expect } from 'vitest';
import { BlockLedger } from '../../load/block-ledger.js';
import { fillVolume, readWholeVolume } from '../../load/fio.js';
import { leftoversOf } from './leftovers.js';
import { type Place, reach } from './places.js';
import { DEADLINE_MS, MiB, type System } from './system.js';

/** A volume that faults are tried on, and what was last written to each of its blocks. */
export interface Subject {
  readonly volume: Volume;
  readonly ledger: BlockLedger;
}

interface Fault {
  /** Where the volume is moved to. */
  readonly poolId: string;
  readonly place: Place;
  readonly strike: () => Promise<void>;
  /** Of the volume from then on; undefined: as it is. */
  readonly stack?: VolumePatch['stack'];
}

/** What tests of faults do with a system's volumes. */
export function subjectsOn(system: System) {
  return {
    /** A volume of 64 MiB on card-1, or as large as is said, every block written. */
    filled: (name: string, { poolId = 'pool-1', sizeBytes = 64 * MiB } = {}) =>
      filled(system, name, { poolId, sizeBytes }),
    /** Moves the subject to another pool under verified I/O, with a fault put in at a place; the change must end by itself. */
    movedThrough: (
      subject: Subject,
      poolId: string,
      place: Place,
      strike: () => Promise<void>,
      stack?: VolumePatch['stack'],
    ) => movedThrough(system, subject, { poolId, place, strike, ...(stack === undefined ? {} : { stack }) }),
    /** One complete stack on one leg, every byte as written, nothing left over, and what is recorded is what is observed. */
    holds: (subject: Subject, poolId: string) => holds(system, subject, poolId),
    /** One complete stack on one leg, nothing left over, and what is recorded is what is observed. */
    restsOn: (volume: Volume, poolId: string) => restsOn(system, volume, poolId),
  };
}

async function filled(
  system: System,
  name: string,
  { poolId, sizeBytes }: { readonly poolId: string; readonly sizeBytes: number },
): Promise<Subject> {
  const placement = { cardId: 'card-1', poolIds: [poolId] };
  const volume = await system.create(name, { sizeBytes, placement });
  const ledger = new BlockLedger(volume.sizeBytes);
  await fillVolume(system.targetOf(volume), ledger);
  return { volume, ledger };
}

async function movedThrough(
  system: System,
  { volume, ledger }: Subject,
  { poolId, place, strike, stack }: Fault,
): Promise<Change> {
  let outcome: Change | null = null;
  const result = await system.underLoad(volume, ledger, async () => {
    const { change } = await system.api.changeVolume(volume.volumeId, {
      placement: { poolIds: [poolId] },
      ...(stack === undefined ? {} : { stack }),
    });
    await reach(system, place, change);
    await strike();
    outcome = await system.api.ended(change.changeId, DEADLINE_MS);
  });
  expect(result).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
  expect(result.ioCount).toBeGreaterThan(1000);
  if (outcome === null) throw new Error('the change has no outcome');
  return outcome;
}

async function holds(system: System, { volume, ledger }: Subject, poolId: string): Promise<void> {
  expect(await readWholeVolume(system.targetOf(volume))).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
  expect(await system.wrongBlocks(volume, ledger)).toEqual([]);
  await restsOn(system, volume, poolId);
}

async function restsOn(system: System, { volumeId }: Volume, poolId: string): Promise<void> {
  const now = await system.api.volume(volumeId);
  expect(now.legs.map((leg) => leg.poolId)).toEqual([poolId]);
  expect(now).toMatchObject({ state: 'ready', appliedGeneration: now.generation, settledGeneration: now.generation });
  expect(await leftoversOf(system)).toEqual([]);
  expect(await checked(system)).toEqual({ differences: [], underWay: 0 });
}

/** What `flexbso check` finds. */
export async function checked({ api }: System): Promise<Pick<CheckReport, 'differences' | 'underWay'>> {
  const { differences, underWay } = await api.get('/v1/check', checkReportSchema);
  return { differences, underWay };
}
