import { finalChangeStates } from '@flexbso/contracts';
import { type Fence, transaction, writeRows } from '@flexbso/persistence';
import { type DataSource, type EntityManager, In } from 'typeorm';
import { ChangeRow } from './change.entity.js';
import { PrunedCreationRow } from './pruned-creation.entity.js';
import { VolumeRow } from './volume.entity.js';

/** A volume that is changed every hour shows four days; the audit trail has what was before. */
const keptPerVolume = 100;
/** As long as somebody may ask what became of a volume that is gone. */
const keepGoneMs = 30 * 24 * 3_600_000;
/** In one transaction, with plans of up to 100 kB each: some tens of milliseconds, during which decisions wait. */
const batchSize = 200;
/** 1,200 changes an hour at most, far more than a cell makes. */
const everyMs = 10 * 60_000;

type Victim = Pick<ChangeRow, 'changeId' | 'kind' | 'tenantId' | 'volumeName'>;

/**
 * Deletes a batch of changes that are over: what a volume has beyond its newest, and what is left of volumes that have
 * long been gone. @returns how many went
 */
export function pruneChanges(
  dataSource: DataSource,
  nowMs: number,
  { kept = keptPerVolume, ...options }: { readonly kept?: number; readonly fence?: Fence } = {},
): Promise<number> {
  const prune = async (manager: EntityManager) => {
    const gone = await ofGoneVolumes(manager, nowMs - keepGoneMs);
    const victims = gone.length > 0 ? gone : await ofBusyVolume(manager, kept);
    await rememberCreations(manager, victims);
    if (victims.length > 0) await manager.delete(ChangeRow, { changeId: In(victims.map(({ changeId }) => changeId)) });
    return victims.length;
  };
  return transaction(dataSource, prune, options);
}

/** Prunes on a beat. @returns the function that stops it and waits for a pass under way. */
export function startPruningChanges(
  dataSource: DataSource,
  { fence, onError }: { readonly fence: Fence; readonly onError: (error: unknown) => void },
): () => Promise<void> {
  let pass = Promise.resolve();
  const run = () => pruneChanges(dataSource, Date.now(), { fence }).then(() => undefined, onError);
  const timer = setInterval(() => (pass = pass.then(run)), everyMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await pass;
  };
}

function candidates(manager: EntityManager) {
  return manager
    .createQueryBuilder(ChangeRow, 'change')
    .select(['change.changeId', 'change.kind', 'change.tenantId', 'change.volumeName'])
    .where('change.state IN (:...over)', { over: [...finalChangeStates] });
}

function ofGoneVolumes(manager: EntityManager, beforeMs: number): Promise<Victim[]> {
  const present = manager
    .createQueryBuilder(VolumeRow, 'volume')
    .select('1')
    .where('volume.volumeId = change.volumeId');
  return candidates(manager)
    .andWhere('change.createdAtMs < :beforeMs', { beforeMs })
    .andWhere(`NOT EXISTS (${present.getQuery()})`)
    .orderBy('change.createdAtMs', 'ASC')
    .limit(batchSize)
    .getMany();
}

async function ofBusyVolume(manager: EntityManager, kept: number): Promise<Victim[]> {
  const busy = await manager
    .createQueryBuilder(ChangeRow, 'change')
    .select('change.volumeId', 'volumeId')
    .where('change.state IN (:...over)', { over: [...finalChangeStates] })
    .andWhere(notTheLatest(manager))
    .groupBy('change.volumeId')
    .having('COUNT(*) > :kept', { kept })
    .limit(1)
    .getRawOne<{ volumeId: string }>();
  if (!busy) return [];
  return candidates(manager)
    .andWhere('change.volumeId = :volumeId', busy)
    .andWhere(notTheLatest(manager))
    .orderBy('change.createdAtMs', 'DESC')
    .addOrderBy('change.changeId', 'DESC')
    .offset(kept)
    .limit(batchSize)
    .getMany();
}

/** A volume needs its latest change, however many outages are recorded after it. */
function notTheLatest(manager: EntityManager): string {
  const latest = manager.createQueryBuilder(VolumeRow, 'volume').select('1').where('volume.changeId = change.changeId');
  return `NOT EXISTS (${latest.getQuery()})`;
}

async function rememberCreations(manager: EntityManager, victims: readonly Victim[]): Promise<void> {
  for (const { kind, tenantId, volumeName: name } of victims) {
    if (kind !== 'create') continue;
    const known = await manager.findOneBy(PrunedCreationRow, { tenantId, name });
    const row = { tenantId, name, creations: (known?.creations ?? 0) + 1 };
    await writeRows(manager, PrunedCreationRow, [row], 'replace');
  }
}
