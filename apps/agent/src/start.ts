import {
  cardDesiredSchema,
  poolDesiredSchema,
  type DesiredLeg,
  type DesiredVolume,
  type LegReport,
  type ProblemError,
  type VolumeReport,
} from '@flexbso/contracts';
import { MemoryCard, MemoryCardDataPlane, MemoryPoolDataPlane, MemoryWorld } from '@flexbso/dataplane-memory';
import type { CardDataPlane, PoolDataPlane } from '@flexbso/dataplane-port';
import { QsdCardDataPlane, QsdPoolDataPlane } from '@flexbso/dataplane-qsd';
import { logger } from '@flexbso/observability';
import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Agent, type AgentPorts } from './agent.js';
import { NatsAgentBus } from './bus/nats-bus.js';
import { CardRole } from './card/card-role.js';
import type { AgentConfig } from './config/config.js';
import { loadSealer } from './identity/sealing-key.js';
import { type Session, nextSession } from './identity/session.js';
import { SignOfLife } from './identity/sign-of-life.js';
import { StateLock } from './identity/state-lock.js';
import { FileJournal } from './journal/file-journal.js';
import { StateKeeper, cardStateSchema, poolStateSchema } from './link/agent-state.js';
import { PoolRole } from './pool/pool-role.js';
import { systemClock } from './ports/clock.js';
import { systemRandomness } from './ports/randomness.js';
import type { Sealer } from './ports/sealer.js';
import { FileStore } from './store/file-store.js';

export const AGENT_VERSION = '0.1.0';

export interface RunningAgent {
  readonly session: Session;
  stop(): Promise<void>;
}

export interface Endings {
  /** A newer session has this identity now. */
  readonly onFenced: (problem: ProblemError) => void;
  /** The bus cannot be used any more; a new process may have more luck. */
  readonly onLost: (reason: string) => void;
}

/** Starts an agent of this machine from its configuration: real clock, files, bus and data plane. */
export async function startAgent(config: AgentConfig, endings: Endings): Promise<RunningAgent> {
  const { stateDirectory } = config;
  const journalFolder = join(stateDirectory, 'journal');
  await mkdir(journalFolder, { recursive: true, mode: 0o700 });
  const lock = await StateLock.take(stateDirectory);
  const session = await takeSession(new FileStore(join(stateDirectory, 'session.json')));
  const sealer = await loadSealer(config.sealingSeedFile);
  const bus = busOf(config, endings);
  const journal = new FileJournal(journalFolder);
  const life = await SignOfLife.begin(join(stateDirectory, 'last-sign-of-life'), logger('agent'));
  const parts = { config, session, sealer, journal, bus, life, onFenced: endings.onFenced };
  const { agent, plane } = config.role === 'card' ? await cardAgent(parts, config) : await poolAgent(parts, config);
  await agent.start();
  return {
    session,
    stop: async () => {
      await agent.stop();
      life.end();
      await bus.close();
      await plane.close();
      await journal.close();
      await lock.release();
    },
  };
}

interface Parts {
  readonly config: AgentConfig;
  readonly session: Session;
  readonly sealer: Sealer;
  readonly journal: FileJournal;
  readonly bus: NatsAgentBus;
  readonly life: SignOfLife;
  readonly onFenced: Endings['onFenced'];
}

async function cardAgent(parts: Parts, config: Extract<AgentConfig, { role: 'card' }>) {
  const { journal, sealer } = parts;
  const shared = sharedPorts(parts);
  const plane = cardPlane(config);
  const { cardLookMs: lookMs } = config.timings;
  const lastSignMs = parts.life.previousMs;
  const keeper = await StateKeeper.open(stateStore(config), cardStateSchema, shared.clock, shared.log);
  const ports: AgentPorts<DesiredVolume, VolumeReport> = {
    ...shared,
    keeper,
    answerSchema: cardDesiredSchema,
    makeRole: (report) =>
      new CardRole({ ...shared, cardId: config.id, plane, journal, sealer, report, lookMs, lastSignMs }),
  };
  return { agent: new Agent(ports), plane };
}

async function poolAgent(parts: Parts, config: Extract<AgentConfig, { role: 'pool' }>) {
  const { journal, sealer } = parts;
  const shared = sharedPorts(parts);
  const plane = poolPlane(config);
  const keeper = await StateKeeper.open(stateStore(config), poolStateSchema, shared.clock, shared.log);
  const ports: AgentPorts<DesiredLeg, LegReport> = {
    ...shared,
    keeper,
    answerSchema: poolDesiredSchema,
    makeRole: (report) =>
      new PoolRole({ ...shared, poolId: config.id, plane, journal, sealer, report, lookMs: config.timings.poolLookMs }),
  };
  return { agent: new Agent(ports), plane };
}

function sharedPorts({ config, session, sealer, bus, onFenced }: Parts) {
  const { role, id, serial, model, hostId, failureDomain, labels, timings } = config;
  const identity = {
    serial,
    model,
    agentVersion: AGENT_VERSION,
    hostId,
    failureDomain,
    labels,
    sealingKey: sealer.publicKey,
  };
  const log = logger('agent').with({ [`${role}Id`]: id });
  return { role, id, identity, session, bus, clock: systemClock, random: systemRandomness, log, timings, onFenced };
}

function busOf({ role, id, nats }: AgentConfig, { onLost }: Endings): NatsAgentBus {
  const { servers, seedFile, tls } = nats;
  return new NatsAgentBus({ role, id, servers, seedFile, ...(tls ? { tls } : {}), log: logger('bus'), onLost });
}

function stateStore({ stateDirectory }: AgentConfig): FileStore {
  return new FileStore(join(stateDirectory, 'state.json'));
}

/** In memory, a card has no pool but its own process: for trying an agent out. */
function cardPlane({ id, dataPlane }: Extract<AgentConfig, { role: 'card' }>): CardDataPlane {
  if (dataPlane.driver === 'memory') {
    return new MemoryCardDataPlane({
      card: new MemoryCard(new MemoryWorld(), id, () => systemClock.nowMs()),
      clock: systemClock,
    });
  }
  const { driver: _driver, ...own } = dataPlane;
  return new QsdCardDataPlane(own);
}

function poolPlane({ id, dataPlane }: Extract<AgentConfig, { role: 'pool' }>): PoolDataPlane {
  if (dataPlane.driver === 'memory') return new MemoryPoolDataPlane({ world: new MemoryWorld(), poolId: id });
  const { driver: _driver, ...own } = dataPlane;
  return new QsdPoolDataPlane(own);
}

const lastSessionSchema = z.strictObject({ sessionNumber: z.int().min(1) });

/** On disk before it is used: no two lives of the agent ever have the same number. */
async function takeSession(store: FileStore): Promise<Session> {
  const saved = await store.load();
  const previous = saved === null ? null : lastSessionSchema.parse(saved).sessionNumber;
  const session = nextSession(previous, systemClock.nowMs(), randomUUID());
  await store.save({ sessionNumber: session.sessionNumber });
  return session;
}
