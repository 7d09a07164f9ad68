import {
  type Change,
  type Labels,
  MAX_MESSAGE_BYTES,
  ProblemError,
  rpc,
  type Snapshot,
  type Volume,
} from '@flexbso/contracts';
import type { z } from 'zod';
import type { SchedulerPorts } from '../decisions.js';
import type { Cursor, StoreReader } from '../store/store.js';
import { findSnapshot } from '../snapshots/propose-snapshot.js';
import { snapshotView } from '../snapshots/snapshot-view.js';
import { findVolume } from '../volumes/volume-lookup.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import { changeView, volumeView } from '../volumes/volume-view.js';
import { cursorOf, tokenOf } from './paging.js';

type Verbs = typeof rpc.scheduler;
type Request<V extends keyof Verbs> = z.infer<Verbs[V]['request']>;
type Page<T> = { items: T[]; nextPageToken: string | null };

/** A selector may match few of many: a page looks at so many volumes at most, and may come back short with a token. */
const maxLookedAt = 2_000;

/** Reading, as committed; asks nobody but the store and the fleet in memory. */
export class Queries {
  readonly #ports: Pick<SchedulerPorts, 'store' | 'fleet'>;

  constructor(ports: Pick<SchedulerPorts, 'store' | 'fleet'>) {
    this.#ports = ports;
  }

  getVolume({ caller, volume }: Request<'get-volume'>): Promise<Volume> {
    return this.#ports.store.read(async (reader) => this.#show(reader, await findVolume(reader, volume, caller)));
  }

  listVolumes({ caller, pageSize, pageToken, labels }: Request<'list-volumes'>): Promise<Page<Volume>> {
    return this.#ports.store.read(async (reader) => {
      const found: VolumeRecord[] = [];
      let after = cursorOf(pageToken);
      for (let lookedAt = 0; lookedAt < maxLookedAt;) {
        const batch = await reader.volumes(caller.tenantId, after, pageSize);
        lookedAt += batch.length;
        for (const volume of batch) {
          after = { createdAtMs: volume.createdAtMs, id: volume.volumeId };
          if (matches(volume, labels)) found.push(volume);
          if (found.length === pageSize) return this.#page(reader, found, after);
        }
        if (batch.length < pageSize) return this.#page(reader, found, null);
      }
      return this.#page(reader, found, after);
    });
  }

  getChange({ caller, changeId }: Request<'get-change'>): Promise<Change> {
    return this.#ports.store.read(async (reader) => {
      const change = await reader.change(changeId);
      if (change && (caller.tenantId === null || change.tenantId === caller.tenantId))
        return changeView(change, this.#ports.fleet);
      throw new ProblemError({ code: 'not-found', detail: `there is no change ${changeId}` });
    });
  }

  listChanges({ caller, pageSize, pageToken, volumeId }: Request<'list-changes'>): Promise<Page<Change>> {
    return this.#ports.store.read(async (reader) => {
      const filter = { tenantId: caller.tenantId, volumeId: volumeId ?? null };
      const changes = await reader.changes(filter, cursorOf(pageToken), pageSize + 1);
      const items = fitting(changes.slice(0, pageSize).map((change) => changeView(change, this.#ports.fleet)));
      const last = items.at(-1);
      const isMore = changes.length > items.length;
      return {
        items,
        nextPageToken: isMore && last ? tokenOf({ createdAtMs: last.createdAtMs, id: last.changeId }) : null,
      };
    });
  }

  getSnapshot({ caller, volume, snapshot }: Request<'get-snapshot'>): Promise<Snapshot> {
    return this.#ports.store.read(async (reader) => {
      const found = await findVolume(reader, volume, caller);
      return snapshotView(findSnapshot({ volume: found }, snapshot), found, await reader.legsOf(found.volumeId));
    });
  }

  /** A page holds all snapshots of each of its volumes, of which `pageSize` counts. */
  listSnapshots({ caller, pageSize, pageToken, volume }: Request<'list-snapshots'>): Promise<Page<Snapshot>> {
    return this.#ports.store.read(async (reader) => {
      const volumes =
        volume === undefined
          ? await reader.volumesWithSnapshots(caller.tenantId, cursorOf(pageToken), pageSize)
          : [await findVolume(reader, volume, caller)];
      const items: Snapshot[] = [];
      for (const one of volumes) {
        const legs = one.snapshots.length === 0 ? [] : await reader.legsOf(one.volumeId);
        items.push(...one.snapshots.map((snapshot) => snapshotView(snapshot, one, legs)));
      }
      const last = volumes.length === pageSize && volume === undefined ? volumes.at(-1) : undefined;
      return { items, nextPageToken: last ? tokenOf({ createdAtMs: last.createdAtMs, id: last.volumeId }) : null };
    });
  }

  async #page(reader: StoreReader, volumes: readonly VolumeRecord[], next: Cursor | null): Promise<Page<Volume>> {
    const items: Volume[] = [];
    for (const volume of volumes) items.push(await this.#show(reader, volume));
    return { items, nextPageToken: next && tokenOf(next) };
  }

  async #show(reader: StoreReader, volume: VolumeRecord): Promise<Volume> {
    const agent = await reader.agent('card', volume.cardId);
    return volumeView(volume, await reader.legsOf(volume.volumeId), {
      fleet: this.#ports.fleet,
      diverged: agent?.diverged ?? null,
    });
  }
}

function matches({ want }: VolumeRecord, labels: Labels | undefined): boolean {
  return Object.entries(labels ?? {}).every(([key, value]) => want.labels[key] === value);
}

/** Half of what a message holds: a change with its plan and steps may have 100 kB, and one always fits. */
const maxPageBytes = MAX_MESSAGE_BYTES / 2;

function fitting(changes: readonly Change[]): Change[] {
  let bytes = 0;
  const over = changes.findIndex((change, index) => {
    bytes += Buffer.byteLength(JSON.stringify(change));
    return index > 0 && bytes > maxPageBytes;
  });
  return over === -1 ? [...changes] : changes.slice(0, over);
}
