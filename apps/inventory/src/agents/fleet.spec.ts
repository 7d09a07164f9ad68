import { type BsoEvent, ProblemError } from '@flexbso/contracts';
import { MemoryDatabase } from '@flexbso/persistence/memory';
import { beforeEach, describe, expect, it } from 'vitest';
import { type AgentRecord, cardSnapshotOf } from './agent-record.js';
import { aCardRegistration } from '../testing/records.js';
import { Fleet } from './fleet.js';
import { InventoryContents, MemoryAgentStore } from './memory-agent-store.js';

const sessions = ['018f2f60-0000-4000-8000-000000000001', '018f2f60-0000-4000-8000-000000000002'] as const;

const card = aCardRegistration;

const name = { role: 'card', id: 'card-1' } as const;
const session = { sessionId: sessions[0], sessionNumber: 1 };
let store: MemoryAgentStore;
let database: MemoryDatabase<InventoryContents>;
let events: BsoEvent[];
let isFailing: boolean;
/** The next write is committed, and its answer lost. */
let isLosingAnswer: boolean;
let fleet: Fleet;
let published: string[];
let nowMs: number;

const onChanged = (record: AgentRecord) => published.push(`${record.id}@${record.revision}`);

function newFleet(): Fleet {
  return new Fleet({ store, nowMs: () => nowMs, onChanged, onHeard: () => undefined });
}
const register = (registration = card(), id = 'card-1') => fleet.register({ role: 'card', id, registration });
const notHeard = () => false;

const snapshot = () => {
  const { record, lastHeardAtMs } = fleet.get(name);
  if (record.role !== 'card') throw new Error('a card was registered');
  return cardSnapshotOf(record, lastHeardAtMs);
};

/** All that was committed so far. */
function committed(): BsoEvent[] {
  events.push(...database.contents.takeEvents());
  return events;
}
const told = () => committed().map(({ what }) => what);

async function problemOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => null,
    (failure: unknown) => failure,
  );
  return error instanceof ProblemError ? error.code : String(error);
}

beforeEach(() => {
  [events, isFailing, isLosingAnswer] = [[], false, false];
  database = new MemoryDatabase(new InventoryContents());
  const connection = database.connect({
    beforeCommit: () => {
      if (isFailing) throw new Error('the database is away');
    },
    afterCommit: () => {
      if (!isLosingAnswer) return;
      isLosingAnswer = false;
      throw new Error('the connection to the database broke');
    },
  });
  store = new MemoryAgentStore(connection, { fence: async () => undefined, newEventId: () => 'event' });
  published = [];
  nowMs = 1_000;
  fleet = newFleet();
});

describe('registering', () => {
  it('makes a new agent known, published and told', async () => {
    await register();
    expect(told()).toEqual(['registered']);
    expect(published).toEqual(['card-1@1']);
  });

  it('again with the same content changes nothing', async () => {
    await register();
    nowMs = 2_000;
    const { record, lastHeardAtMs } = await register();
    expect([record.revision, lastHeardAtMs, told()]).toEqual([1, 2_000, ['registered']]);
  });

  it('with other content in the same session is an update that names the fields', async () => {
    await register();
    await register(card({ labels: { tier: 'gold' }, agentVersion: '0.1.1' }));
    expect(told()).toEqual(['registered', 'updated']);
    expect(committed().at(-1)?.data).toEqual({ revision: 2, fields: 'agentVersion labels' });
    expect(published).toEqual(['card-1@1', 'card-1@2']);
  });

  it('in a newer session replaces the older one, which is then fenced', async () => {
    await register();
    await register(card({ sessionId: sessions[1], sessionNumber: 2 }));
    expect(await problemOf(register())).toBe('fenced');
    expect(await problemOf(fleet.heard(name, session))).toBe('fenced');
  });

  it('of a copy that claims the same session number is fenced', async () => {
    await register();
    expect(await problemOf(register(card({ sessionId: sessions[1] })))).toBe('fenced');
  });

  it('of hardware that another identity has is refused', async () => {
    await register();
    expect(await problemOf(register(card(), 'card-2'))).toBe('name-taken');
  });

  it('frees a serial that its card no longer has', async () => {
    await register();
    await register(card({ serial: 'MT0002' }));
    await register(card(), 'card-2');
    expect(fleet.all().map(({ record }) => record.registration.serial)).toEqual(['MT0002', 'MT0001']);
  });

  it('that could not be written leaves nothing behind', async () => {
    isFailing = true;
    await expect(register()).rejects.toThrow('the database is away');
    expect([fleet.all(), published]).toEqual([[], []]);
    isFailing = false;
    await register();
    expect(fleet.all()).toHaveLength(1);
  });

  it('that was committed without an answer is found, published, and made only once', async () => {
    isLosingAnswer = true;
    await expect(register()).rejects.toThrow('the connection to the database broke');
    await register();
    expect([told(), published]).toEqual([['registered'], ['card-1@1']]);
    await fleet.cordon(name, true, 'alice');
    expect(fleet.get(name).record).toMatchObject({ revision: 2, cordoned: true });
  });

  it('at the same time, many times, is one registration', async () => {
    await Promise.all(Array.from({ length: 20 }, () => register()));
    expect(told()).toEqual(['registered']);
  });
});

describe('signs of life', () => {
  it('are not written', async () => {
    await register();
    nowMs = 5_000;
    expect(await fleet.heard(name, session)).toBe('heard');
    expect([committed().length, fleet.get(name).lastHeardAtMs]).toEqual([1, 5_000]);
  });

  it('of an unknown agent, or of a session that did not register, ask for a registration', async () => {
    expect(await fleet.heard(name, session)).toBe('register');
    await register();
    expect(await fleet.heard(name, { sessionId: sessions[1], sessionNumber: 2 })).toBe('register');
  });

  it("end an agent's being unreachable", async () => {
    await register();
    nowMs = 20_000;
    await fleet.silent('card/card-1', notHeard);
    expect(fleet.get(name).record.unreachableSinceMs).toBe(1_000);
    nowMs = 30_000;
    await fleet.heard(name, session);
    expect([fleet.get(name).record.unreachableSinceMs, fleet.get(name).lastHeardAtMs]).toEqual([null, 30_000]);
    expect(told()).toEqual(['registered', 'unreachable', 'reachable']);
  });

  it('that came after the verdict undo it', async () => {
    await register();
    expect(await fleet.silent('card/card-1', () => true)).toBe(false);
    expect(told()).toEqual(['registered']);
  });
});

describe('an operator', () => {
  it('cordons and uncordons, and asking twice is asking once', async () => {
    await register();
    await fleet.cordon(name, true, 'alice');
    await fleet.cordon(name, true, 'alice');
    await fleet.cordon(name, false, 'bob');
    expect(told()).toEqual(['registered', 'cordoned', 'uncordoned']);
    expect(committed().map(({ by }) => by)).toEqual(['card-1', 'alice', 'bob']);
  });

  it('is told of what does not exist', async () => {
    expect(await problemOf(fleet.cordon(name, true, 'alice'))).toBe('not-found');
  });
});

describe('quarantine', () => {
  const otherKey = `X${'B'.repeat(55)}`;

  it('shows its reason until an operator releases the agent, who is named', async () => {
    await register();
    await fleet.quarantine(name, 'asked for its answer elsewhere', 'scheduler');
    expect(snapshot()).toMatchObject({ state: 'quarantined', quarantineReason: 'asked for its answer elsewhere' });
    await fleet.release(name, 'alice');
    await fleet.release(name, 'alice');
    expect(snapshot()).toMatchObject({ state: 'ready', quarantineReason: null });
    expect(told()).toEqual(['registered', 'quarantined', 'released']);
    expect(committed().map(({ by }) => by)).toEqual(['card-1', 'scheduler', 'alice']);
  });

  it('follows another sealing key, which is published only when it is released', async () => {
    await register();
    const { sealingKey } = card();
    await register(card({ sealingKey: otherKey, sessionId: sessions[1], sessionNumber: 2 }));
    expect(snapshot()).toMatchObject({ state: 'quarantined', sealingKey, sessionNumber: 2 });
    expect(snapshot().quarantineReason).toContain('its sealing key changed');
    const { revision } = snapshot();
    await register(card({ sealingKey: otherKey, sessionId: sessions[1], sessionNumber: 2 }));
    expect(snapshot().revision).toBe(revision);
    fleet = newFleet();
    await fleet.load();
    await fleet.release(name, 'alice');
    expect(snapshot()).toMatchObject({ state: 'ready', sealingKey: otherKey });
    expect(told()).toEqual(['registered', 'registered', 'quarantined', 'released']);
    await register(card({ sealingKey: otherKey, sessionId: sessions[1], sessionNumber: 2 }));
    expect(snapshot().state).toBe('ready');
  });

  it('takes no key over that the agent no longer has', async () => {
    await register();
    await register(card({ sealingKey: otherKey }));
    await register();
    await fleet.release(name, 'alice');
    expect(snapshot()).toMatchObject({ state: 'ready', sealingKey: card().sealingKey });
  });

  it('shows both reasons of an agent that did both', async () => {
    await register();
    await fleet.quarantine(name, 'x'.repeat(300), 'telemetry');
    await register(card({ sealingKey: otherKey }));
    const { quarantineReason } = snapshot();
    expect(quarantineReason).toMatch(/^xxx.*; its sealing key changed/);
    expect(quarantineReason?.length).toBeLessThanOrEqual(300);
  });
});

describe('standing', () => {
  it('survives a new registration and a restart', async () => {
    await register();
    await fleet.cordon(name, true, 'alice');
    await fleet.quarantine(name, 'asked for its answer elsewhere', 'inventory');
    fleet = newFleet();
    expect(await fleet.load()).toEqual(['card/card-1']);
    const { record, lastHeardAtMs } = await register(card({ sessionId: sessions[1], sessionNumber: 2 }));
    if (record.role !== 'card') throw new Error('a card was registered');
    expect(cardSnapshotOf(record, lastHeardAtMs)).toMatchObject({ state: 'quarantined', cordoned: true, revision: 4 });
  });

  it('of the unreachable is not judged again after a restart', async () => {
    await register();
    await fleet.silent('card/card-1', notHeard);
    fleet = newFleet();
    expect(await fleet.load()).toEqual([]);
  });
});
