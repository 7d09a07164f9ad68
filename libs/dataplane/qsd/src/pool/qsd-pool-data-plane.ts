import {
  legIdSchema,
  type Capabilities,
  type DesiredLeg,
  type LegAddress,
  type ObservedLeg,
  type PoolStep,
} from '@flexbso/contracts';
import {
  DataPlaneError,
  type PoolDataPlane,
  type PoolDiscovery,
  type PoolStepContext,
  type ServedLeg,
} from '@flexbso/dataplane-port';
import { handlePoolStep, type PoolStepHandlers, type PoolStepOf } from '@flexbso/stack';
import { qsdPoolConfigSchema, type QsdPoolConfig, type QsdPoolOptions } from '../config.js';
import { probeDaemon } from '../daemon/probe.js';
import { asDataPlaneError, refused } from '../errors.js';
import { LEG_ALGORITHMS, LegCompression } from './leg-compression.js';
import { LegFiles } from './leg-files.js';
import { dataPath, readRecord, writeRecord, type LegRecord } from './leg-record.js';
import { exportNameOf, LegServer } from './leg-server.js';
import { Turn } from '../daemon/turn.js';

/** The contract's bound. */
const MAX_REASON = 500;

/**
 * A pool of files in one directory. Reach `host`: a leg is its file, for a card on the same machine. Reach
 * `network`: each served leg has a qemu-storage-daemon of its own, which serves it over NBD with TLS and outlives
 * the agent.
 */
export class QsdPoolDataPlane implements PoolDataPlane {
  readonly #config: QsdPoolConfig;
  readonly #compression: LegCompression;
  readonly #files: LegFiles;
  readonly #server: LegServer;
  /** Room is counted and then taken, ports likewise: one at a time, or two legs get the same. */
  readonly #allocation = new Turn();
  /** Two discoveries at once would share one probe, and the first would end it. */
  readonly #discovery = new Turn();

  constructor(options: QsdPoolOptions) {
    this.#config = qsdPoolConfigSchema.parse(options);
    this.#compression = new LegCompression(this.#config);
    this.#files = new LegFiles(this.#config, this.#compression);
    this.#server = new LegServer(this.#config);
  }

  discover(): Promise<PoolDiscovery> {
    return this.#guarded(`discovering pool ${this.#config.poolId}`, async () => {
      const { reach, budget } = this.#config;
      const [{ version }, lack] = await this.#discovery.take(async () => [
        await probeDaemon(this.#config, this.#config.poolId),
        await this.#compression.lack(),
      ]);
      const capabilities = joined(servingAbilities(reach, version), compressionAbility(lack));
      return {
        dataPlane: { name: 'qsd', version },
        capabilities,
        budget: { ...budget, capacityBytes: await this.#files.capacityBytes() },
        reach,
      };
    });
  }

  list(): Promise<ObservedLeg[]> {
    return this.#guarded(`listing the legs of pool ${this.#config.poolId}`, async () => {
      const legs: ObservedLeg[] = [];
      for (const legId of await this.#files.legIds()) {
        const leg = await this.#observe(legId);
        if (leg !== null) legs.push(leg);
      }
      return legs;
    });
  }

  observe(legId: string): Promise<ObservedLeg | null> {
    return this.#guarded(`observing ${legId}`, () => this.#observe(legId));
  }

  async perform(step: PoolStep, { desired }: PoolStepContext): Promise<void> {
    const performers: PoolStepHandlers<Promise<void>> = {
      'create-leg': (create) => this.#create(create, desired),
      'serve-leg': (serve) => this.#serve(serve),
      'grow-leg': (grow) => this.#grow(grow),
      'fence-leg': (fence) => this.#fence(fence),
      'stop-serving-leg': ({ legId }) => this.#stopServing(legId),
      'delete-leg': ({ legId }) => this.#delete(legId),
    };
    await this.#guarded(`${step.kind} of ${step.legId}`, () => handlePoolStep(performers, withLegId(step)));
  }

  async undo(step: PoolStep, _context: PoolStepContext): Promise<void> {
    const undoers: PoolStepHandlers<Promise<void>> = {
      'create-leg': ({ legId }) => this.#delete(legId),
      'serve-leg': ({ legId }) => this.#stopServing(legId),
      'grow-leg': () => Promise.resolve(),
      'fence-leg': () => Promise.resolve(),
      'stop-serving-leg': () => Promise.resolve(),
      'delete-leg': () => Promise.resolve(),
    };
    await this.#guarded(`undoing ${step.kind} of ${step.legId}`, () => handlePoolStep(undoers, withLegId(step)));
  }

  record(desired: DesiredLeg): Promise<void> {
    return this.#guarded(`recording ${desired.legId}`, async () => {
      const record = await this.#record(desired.legId);
      if (desired.epoch < record.epoch)
        throw refused(
          'fenced',
          `${desired.legId} is at epoch ${record.epoch}: a desired state of epoch ${desired.epoch} is over`,
        );
      await writeRecord(this.#config.directory, { ...record, holderCardId: desired.holder.cardId, role: desired.role });
    });
  }

  served(legId: string): Promise<ServedLeg | null> {
    return this.#guarded(`finding where ${legId} is served`, async () => {
      const [observed, record] = [await this.#observe(legId), await readRecord(this.#config.directory, legId)];
      const serving = observed?.serving ?? null;
      if (serving === null || record === null) return null;
      const { listen, directory, reach } = this.#config;
      if (reach === 'host') return { address: fileOf(directory, record), access: null };
      const access = await this.#server.credentials(legId, serving.epoch);
      if (listen === null || record.port === null || access === null) return null;
      return {
        address: { kind: 'nbd', host: listen.host, port: record.port, exportName: exportNameOf(legId, serving.epoch) },
        access,
      };
    });
  }

  /** Connections to daemons last one call each, so there is nothing to let go of. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  async #observe(legId: string): Promise<ObservedLeg | null> {
    const record = await readRecord(this.#config.directory, legIdSchema.parse(legId));
    if (record === null) return null;
    const file = await this.#files.file(record);
    const { volumeId, epoch, holderCardId } = record;
    const damage = this.#files.damageOf(record, file);
    return {
      legId,
      volumeId,
      // As recorded: a leg whose file is gone must not look like one that may be made anew.
      sizeBytes: record.sizeBytes === 0 ? 0 : Math.max(record.sizeBytes, file?.sizeBytes ?? 0),
      allocatedBytes: file?.allocatedBytes ?? 0,
      ...(file?.uncompressedBytes === undefined ? {} : { uncompressedBytes: file.uncompressedBytes }),
      epoch,
      holderCardId,
      serving: await this.#serving(record),
      ...(damage === null ? {} : { damage: damage.slice(0, MAX_REASON) }),
    };
  }

  async #serving(record: LegRecord): Promise<ObservedLeg['serving']> {
    if (this.#config.reach === 'host') return record.serving;
    const epoch = await this.#server.servedEpoch(record.legId);
    const holderCardId = record.serving?.holderCardId ?? record.holderCardId;
    return epoch === null || holderCardId === null ? null : { epoch, holderCardId };
  }

  async #create(step: PoolStepOf<'create-leg'>, desired: DesiredLeg): Promise<void> {
    const { volumeId, holder, role } = desired;
    const fresh: LegRecord = {
      v: 1,
      legId: step.legId,
      volumeId,
      sizeBytes: step.sizeBytes,
      epoch: 0,
      holderCardId: holder.cardId,
      role,
      serving: null,
      port: null,
      compression: step.compression ?? null,
      subvolumeId: null,
    };
    await this.#allocation.take(() => this.#files.create(fresh));
  }

  async #serve(step: PoolStepOf<'serve-leg'>): Promise<void> {
    const { legId, epoch, holderCardId } = step;
    const record = await this.#record(legId);
    if (epoch < record.epoch)
      throw refused('fenced', `${legId} is at epoch ${record.epoch} and is not served at epoch ${epoch} any more`);
    const old = await this.#serving(record);
    if (old !== null && (old.epoch !== epoch || old.holderCardId !== holderCardId)) {
      throw refused(
        'step-failed',
        `${legId} is served to ${old.holderCardId} at epoch ${old.epoch}: fence it before it is served to ${holderCardId} at epoch ${epoch}`,
      );
    }
    await this.#files.giveToDataPlane(record);
    const served = { ...record, epoch, holderCardId, serving: { epoch, holderCardId } };
    if (this.#config.reach === 'host') return writeRecord(this.#config.directory, served);
    await this.#allocation.take(async () =>
      this.#server.serve(record, epoch, holderCardId, await this.#usedPorts(), (port) =>
        writeRecord(this.#config.directory, { ...served, port }),
      ),
    );
  }

  async #grow(step: PoolStepOf<'grow-leg'>): Promise<void> {
    const record = await this.#record(step.legId);
    if (record.sizeBytes === step.sizeBytes) return;
    if (this.#config.reach === 'network' && (await this.#serving(record)) !== null) {
      throw refused(
        'change-refused',
        `${step.legId} is served over NBD, and its node cannot be resized under an export: swap the volume onto a larger leg`,
      );
    }
    await this.#allocation.take(() => this.#files.grow(record, step.sizeBytes));
  }

  async #fence(step: PoolStepOf<'fence-leg'>): Promise<void> {
    const { legId, epoch } = step;
    const record = await this.#record(legId);
    const serving = await this.#serving(record);
    if (record.epoch >= epoch && (serving === null || serving.epoch >= epoch)) return;
    if (this.#config.reach === 'host' && serving !== null) {
      throw refused(
        'change-refused',
        `${legId} is a file that a card on this machine has open: nobody else can cut it off. Stop the card's data plane, or attest that the host is off`,
      );
    }
    const { directory } = this.#config;
    // First the epoch, so that nothing serves the old one again; then whoever is connected; then the record of it.
    // Nobody holds the new epoch yet: a fence that is cut short here must not look like the old holder's.
    const fenced = { ...record, epoch: Math.max(record.epoch, epoch), holderCardId: null };
    await writeRecord(directory, fenced);
    await this.#server.stop(legId);
    await writeRecord(directory, { ...fenced, serving: null });
  }

  async #stopServing(legId: string): Promise<void> {
    const record = await readRecord(this.#config.directory, legId);
    if (record === null) return;
    if (this.#config.reach === 'network') await this.#server.stop(legId);
    if (record.sizeBytes > 0) await this.#files.takeFromDataPlane(record);
    await writeRecord(this.#config.directory, { ...record, serving: null });
  }

  async #delete(legId: string): Promise<void> {
    const record = await readRecord(this.#config.directory, legId);
    if (record === null) return;
    const serving = await this.#serving(record);
    if (serving !== null)
      throw refused(
        'step-failed',
        `${legId} is served to ${serving.holderCardId}: it is not deleted before it is served no more`,
      );
    if (this.#config.reach === 'network') await this.#server.stop(legId);
    await this.#files.remove(record);
  }

  async #record(legId: string): Promise<LegRecord> {
    const record = await readRecord(this.#config.directory, legId);
    if (record === null || record.sizeBytes === 0)
      throw refused('step-failed', `pool ${this.#config.poolId} has no ${legId}: create it first`);
    return record;
  }

  async #usedPorts(): Promise<Set<number>> {
    const ports = new Set<number>();
    for (const legId of await this.#files.legIds()) {
      const port = (await readRecord(this.#config.directory, legId))?.port ?? null;
      if (port !== null) ports.add(port);
    }
    return ports;
  }

  async #guarded<T>(what: string, act: () => Promise<T>): Promise<T> {
    try {
      await this.#files.prepare();
      return await act();
    } catch (cause) {
      throw cause instanceof DataPlaneError ? cause : asDataPlaneError(what, cause);
    }
  }
}

/** What goes past the page cache is not compressed. */
function fileOf(directory: string, record: LegRecord): LegAddress {
  const address = { kind: 'file', path: dataPath(directory, record) } as const;
  return record.compression === null ? address : { ...address, buffered: true };
}

function servingAbilities(reach: QsdPoolConfig['reach'], version: string): Capabilities {
  if (reach === 'host') {
    const names = ['leg.file', 'grow-leg'] as const;
    return { has: names.map((name) => ({ name, version, limits: {} })), lacks: [] };
  }
  const reason = `qemu-storage-daemon ${version} does not resize a node that it exports over NBD: swap the volume onto larger legs instead`;
  return { has: [{ name: 'leg.nbd', version, limits: {} }], lacks: [{ name: 'grow-leg', reason }] };
}

function compressionAbility(lack: string | null): Capabilities {
  const name = 'compress-leg';
  return lack === null
    ? { has: [{ name, limits: { algorithms: LEG_ALGORITHMS.join(', ') } }], lacks: [] }
    : { has: [], lacks: [{ name, reason: lack.slice(0, MAX_REASON) }] };
}

function joined(one: Capabilities, other: Capabilities): Capabilities {
  return { has: [...one.has, ...other.has], lacks: [...one.lacks, ...other.lacks] };
}

/** The id becomes a path, so it is checked where it comes in. */
function withLegId(step: PoolStep): PoolStep {
  legIdSchema.parse(step.legId);
  return step;
}
