import { ProblemError } from '@flexbso/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { BaseStack, SnapshotRecord } from '../snapshots/snapshot-record.js';
import type { Cursor, SchedulerStore } from '../store/store.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import {
  aChangeRecord,
  aDesiredCardEntry,
  aKeyRecord,
  aLegRecord,
  anAgentRecord,
  anEvent,
  aReservationRecord,
  aVolumeRecord,
} from './records.js';

/** An empty store with what the suite sees of it from outside. */
export interface OpenStore extends AsyncDisposable {
  readonly store: SchedulerStore;
  /** What was committed to be published, and under which message ids. */
  readonly committedEvents: () => Promise<{ messageId: string; payload: unknown }[]>;
}

interface Suite extends OpenStore {
  /** From now on another scheduler is the active one. */
  readonly replace: () => void;
}

/** What the scheduler's store has to be, wherever it keeps its records. @param start given what every transaction asks first */
export function describeStore(kind: string, start: (fence: () => Promise<void>) => Promise<OpenStore>): void {
  describe(`the store on ${kind}`, () => {
    let suite: Suite;
    beforeEach(async () => {
      let isReplaced = false;
      const opened = await start(async () => {
        if (isReplaced) throw new ProblemError({ code: 'fenced', detail: 'another scheduler is active' });
      });
      suite = { ...opened, replace: () => void (isReplaced = true) };
    });
    afterEach(() => suite[Symbol.asyncDispose]());
    const open = () => suite;
    testRecords(open);
    testPauses(open);
    testTransactions(open);
    testLives(open);
    testLists(open);
    testSnapshots(open);
  });
}

function testPauses(open: () => Suite): void {
  it('keeps what is paused, the fleet and cards, until it is not', async () => {
    const { store } = open();
    const fleet = { cardId: null, by: 'bob', sinceMs: 5 };
    const card = { cardId: 'card-1', by: 'alice', sinceMs: 6 };
    await store.transaction(async (tx) => {
      await tx.putPause(card);
      await tx.putPause(fleet);
    });
    const pauses = await store.read((reader) => reader.pauses());
    expect(pauses).toHaveLength(2);
    expect(pauses).toEqual(expect.arrayContaining([fleet, card]));
    await store.transaction((tx) => tx.deletePause(null));
    expect(await store.read((reader) => reader.pauses())).toEqual([card]);
  });
}

function testRecords(open: () => Suite): void {
  it('gives every record back as it was written, and replaces it as a whole', async () => {
    const { store } = open();
    const queued = aChangeRecord({ changeId: 'chg-00000000ff', state: 'queued' });
    const caller = { name: 'alice', role: 'operator', tenantId: 'acme' } as const;
    const followUp = { change: queued, patch: { qos: null }, isRekeyed: false, caller };
    const volume = aVolumeRecord({ state: 'ready', uri: 'nbd://x', generation: 2 ** 40, followUp });
    await store.transaction(async (tx) => {
      await tx.putVolume(aVolumeRecord());
      await tx.putVolume(volume);
      await tx.putChange(aChangeRecord());
      await tx.putLeg(aLegRecord());
      await tx.putLeg(aLegRecord({ awaited: false, address: { kind: 'nbd', host: 'h', port: 1, exportName: 'e' } }));
      await tx.putKey(aKeyRecord());
      await tx.putReservation(aReservationRecord());
      await tx.putAgent(anAgentRecord({ revision: 7 }));
      await tx.putDesired(aDesiredCardEntry(7));
    });
    await store.read(async (reader) => {
      expect(await reader.volume(volume.volumeId)).toEqual(volume);
      expect(await reader.volumesNamed('vol-a', 'acme')).toEqual([volume]);
      expect(await reader.volumesNamed('vol-a', 'other')).toEqual([]);
      expect(await reader.change(aChangeRecord().changeId)).toEqual(aChangeRecord());
      expect(await reader.legsOf(volume.volumeId)).toEqual([
        aLegRecord({ awaited: false, address: { kind: 'nbd', host: 'h', port: 1, exportName: 'e' } }),
      ]);
      expect(await reader.keysOf(volume.volumeId)).toEqual([aKeyRecord()]);
      expect(await reader.reservations()).toEqual([aReservationRecord()]);
      expect(await reader.agent('card', 'card-1')).toEqual(anAgentRecord({ revision: 7 }));
      expect(await reader.desiredItem('card', 'card-1', volume.volumeId)).toEqual(aDesiredCardEntry(7));
    });
  });

  it('removes what it is told to remove, and only that', async () => {
    const { store } = open();
    const other = 'vol-0000000002';
    await store.transaction(async (tx) => {
      await tx.putVolume(aVolumeRecord());
      await tx.putVolume(aVolumeRecord({ volumeId: other, name: 'vol-b' }));
      await tx.putLeg(aLegRecord());
      await tx.putKey(aKeyRecord());
      await tx.putReservation(aReservationRecord());
      await tx.putDesired(aDesiredCardEntry(1));
    });
    await store.transaction(async (tx) => {
      await tx.deleteVolume(aVolumeRecord().volumeId);
      await tx.deleteLeg(aLegRecord().legId);
      await tx.deleteKey(aKeyRecord().keyRef);
      await tx.deleteReservation(aReservationRecord().reservationId);
      await tx.deleteDesired('card', 'card-1', aVolumeRecord().volumeId);
    });
    await store.read(async (reader) => {
      expect((await reader.volumes(null, null, 10)).map(({ volumeId }) => volumeId)).toEqual([other]);
      expect(await reader.leg(aLegRecord().legId)).toBeNull();
      expect(await reader.keysOf(aVolumeRecord().volumeId)).toEqual([]);
      expect(await reader.reservations()).toEqual([]);
      expect(await reader.desired('card', 'card-1', 0)).toEqual([]);
    });
  });
}

function testTransactions(open: () => Suite): void {
  it('keeps nothing of a transaction that fails', async () => {
    const { store, committedEvents } = open();
    const failing = store.transaction(async (tx) => {
      await tx.putVolume(aVolumeRecord());
      await tx.enqueueEvents([anEvent()], {});
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await store.read((reader) => reader.volume(aVolumeRecord().volumeId))).toBeNull();
    expect(await committedEvents()).toEqual([]);
  });

  it('ties events to their transaction', async () => {
    const { store, committedEvents } = open();
    await store.transaction((tx) => tx.enqueueEvents([anEvent()], { traceparent: 'x' }));
    expect(await committedEvents()).toEqual([{ messageId: anEvent().eventId, payload: anEvent() }]);
  });

  it('runs a request once for its key, and refuses the key for another', async () => {
    const { store } = open();
    const call = { scope: 'acme', key: 'k', requestDigest: 'd', replySchema: z.object({ n: z.number() }) };
    let runs = 0;
    const run = (requestDigest = 'd') =>
      store.transaction((tx) => tx.idempotent({ ...call, requestDigest }, async () => ({ n: (runs += 1) })));
    expect([await run(), await run()]).toEqual([{ n: 1 }, { n: 1 }]);
    await expect(run('other')).rejects.toThrow(ProblemError);
    expect(runs).toBe(1);
  });
}

function testLives(open: () => Suite): void {
  it('keeps its incarnation until it is given another', async () => {
    const { store } = open();
    const first = await store.incarnation();
    expect(z.uuid().safeParse(first).success).toBe(true);
    expect(await store.incarnation()).toBe(first);
    const second = await store.renewIncarnation();
    expect([await store.incarnation(), second === first]).toEqual([second, false]);
  });

  it('writes nothing for a scheduler that was replaced, and lets it read', async () => {
    const { store, committedEvents, replace } = open();
    await store.transaction((tx) => tx.putVolume(aVolumeRecord()));
    replace();
    const stale = store.transaction(async (tx) => {
      await tx.putVolume(aVolumeRecord({ name: 'stale' }));
      await tx.enqueueEvents([anEvent()], {});
    });
    await expect(stale).rejects.toThrow(/^fenced/);
    await expect(store.renewIncarnation()).rejects.toThrow(/^fenced/);
    expect(await store.read((reader) => reader.volume(aVolumeRecord().volumeId))).toEqual(aVolumeRecord());
    expect(await committedEvents()).toEqual([]);
  });
}

function testLists(open: () => Suite): void {
  it('pages volumes from the oldest and changes from the newest, also where instants are equal', async () => {
    const { store } = open();
    const ids = ['1', '2', '3', '4', '5'];
    await store.transaction(async (tx) => {
      for (const id of ids) {
        const createdAtMs = id < '4' ? 10 : 20;
        await tx.putVolume(aVolumeRecord({ volumeId: `vol-000000000${id}`, name: `vol-${id}`, createdAtMs }));
        await tx.putChange(
          aChangeRecord({ changeId: `chg-000000000${id}`, state: id === '1' ? 'settled' : 'applying', createdAtMs }),
        );
      }
    });
    await store.read(async (reader) => {
      const first = await reader.volumes('acme', null, 2);
      const last = first.at(-1);
      const rest = await reader.volumes('acme', last ? { createdAtMs: last.createdAtMs, id: last.volumeId } : null, 10);
      expect([...first, ...rest].map(({ name: shown }) => shown)).toEqual(ids.map((id) => `vol-${id}`));
      const filter = { tenantId: null, volumeId: null };
      const newest = await reader.changes(filter, null, 2);
      expect(newest.map(({ changeId }) => changeId.at(-1))).toEqual(['5', '4']);
      const older = await reader.changes(filter, { createdAtMs: 20, id: 'chg-0000000004' }, 10);
      expect(older.map(({ changeId }) => changeId.at(-1))).toEqual(['3', '2', '1']);
      expect(new Set((await reader.openChanges()).map(({ changeId }) => changeId.at(-1)))).toEqual(
        new Set(['2', '3', '4', '5']),
      );
      expect(await reader.creationsOf('acme', 'vol-a')).toBe(5);
      expect(await reader.creationsOf('other', 'vol-a')).toBe(0);
    });
  });

  it('finds the volumes of which a leg is bad, with what is known of it', async () => {
    const { store } = open();
    const place = { legId: 'leg-0000000001', kind: 'write-failed' as const, offsetBytes: 0, lengthBytes: 512 };
    const legFaults = [{ ...place, findings: 3, firstAtMs: 7, lastAtMs: 9, repaired: false }];
    await store.transaction(async (tx) => {
      for (const [index, faults] of [[], legFaults, legFaults, []].entries()) {
        const ids = { volumeId: `vol-000000000${index}`, name: `vol-${index}` };
        await tx.putVolume(aVolumeRecord({ ...ids, legFaults: faults, createdAtMs: index + 1 }));
      }
    });
    const found = await store.read((reader) => reader.volumesWithBadLegs(10));
    expect(found.map(({ name, legFaults: known }) => ({ name, known }))).toEqual([
      { name: 'vol-1', known: legFaults },
      { name: 'vol-2', known: legFaults },
    ]);
    expect(await store.read((reader) => reader.volumesWithBadLegs(1))).toHaveLength(1);
  });

  it('answers desired entries above a revision, lowest first', async () => {
    const { store } = open();
    await store.transaction(async (tx) => {
      for (const revision of [3, 1, 2]) await tx.putDesired(aDesiredCardEntry(revision, `vol-000000000${revision}`));
    });
    const revisions = await store.read(async (reader) =>
      (await reader.desired('card', 'card-1', 1)).map(({ revision }) => revision),
    );
    expect(revisions).toEqual([2, 3]);
    expect(await store.read((reader) => reader.desired('pool', 'card-1', 0))).toEqual([]);
  });
}

const aBase = (origin: BaseStack['origin']): BaseStack => ({
  stackGeneration: 1,
  stack: { layers: [] },
  keyRef: null,
  ...(origin === undefined ? {} : { origin }),
});
const aSnapshot = (bases: BaseStack[]): SnapshotRecord => ({
  ...aBase(undefined),
  snapshotId: 'snap-000000000b',
  name: 'monday',
  state: 'ready',
  sizeBytes: 1024 ** 2,
  bases,
  changeId: 'chg-0000000001',
  createdAtMs: 1,
});
const names = (found: readonly VolumeRecord[]) => found.map(({ name }) => name);

function testSnapshots(open: () => Suite): void {
  it('finds the volumes that have snapshots, and those that read from one, also through snapshots of their own', async () => {
    const { store } = open();
    const origin = { volumeId: 'vol-0000000000', snapshotId: 'snap-000000000a' };
    const clone = { ...aVolumeRecord().want, bases: [aBase(origin)] };
    const volumes = [
      { snapshots: [aSnapshot([aBase(undefined)])] },
      { want: clone },
      { snapshots: [aSnapshot([aBase(origin)])] },
      {},
      // They hold everything themselves, the first once its change is over, the second already.
      { changeId: 'chg-00000000a1' },
      { changeId: 'chg-00000000a2' },
    ];
    const change = { from: clone, volumeId: 'vol-0000000004' };
    await store.transaction(async (tx) => {
      await tx.putChange(aChangeRecord({ ...change, changeId: 'chg-00000000a1', state: 'applying' }));
      await tx.putChange(aChangeRecord({ ...change, changeId: 'chg-00000000a2', state: 'settled' }));
      for (const [index, more] of volumes.entries()) {
        const ids = { volumeId: `vol-000000000${index}`, name: `vol-${index}`, createdAtMs: index + 1 };
        await tx.putVolume(aVolumeRecord({ ...ids, ...more }));
      }
    });
    const snapshots = (after: Cursor | null, tenantId: string | null = null) =>
      store.read(async (reader) => names(await reader.volumesWithSnapshots(tenantId, after, 10)));
    expect(await snapshots(null)).toEqual(['vol-0', 'vol-2']);
    expect(await snapshots({ createdAtMs: 1, id: 'vol-0000000000' })).toEqual(['vol-2']);
    expect(await snapshots(null, 'nobody')).toEqual([]);
    const clones = (snapshotId: string) => store.read(async (reader) => names(await reader.volumesFrom(snapshotId)));
    expect(await clones(origin.snapshotId)).toEqual(['vol-1', 'vol-2', 'vol-4']);
    expect(await clones('snap-000000000b')).toEqual([]);
  });
}
