import type { LegFault } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { cardReport, legReport } from '../testing/fake-agents.js';
import { aCard, aSpec, reader } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});

describe('repeated and late messages', () => {
  it('answers a repeated request with the same volume and change, and refuses the key for another', async () => {
    const asked = { ...cell.asked(), spec: aSpec() };
    const first = await cell.scheduler.volumes.create(asked);
    expect(await cell.scheduler.volumes.create(asked)).toEqual(first);
    expect(await refusalOf(cell.scheduler.volumes.create({ ...asked, spec: aSpec({ name: 'vol-b' }) }))).toBe(
      'idempotency-key-reused',
    );
  });

  it('keeps the keys of requests apart by who asks', async () => {
    const asked = { ...cell.asked(), spec: aSpec() };
    const { volume } = await cell.scheduler.volumes.create(asked);
    const bob = { ...asked, caller: { ...asked.caller, name: 'bob' }, spec: aSpec({ name: 'vol-b' }) };
    expect((await cell.scheduler.volumes.create(bob)).volume.volumeId).not.toBe(volume.volumeId);
  });

  it('hears a report twice as once, and answers an old operation as stale', async () => {
    const volume = await cell.create();
    const card = cell.cardOf(volume);
    const [first] = card.reports;
    await cell.change({ qos: { iopsTotal: 5 } });
    await cell.settle();
    const before = await cell.volumeNow();
    cell.store.takeEvents();
    const latest = card.reports.at(-1);
    if (!first || !latest) throw new Error('the card said nothing');
    expect((await card.say(latest)).staleOperationIds).toEqual([]);
    expect((await card.say(first)).staleOperationIds).toEqual([first.operationId]);
    expect(await cell.volumeNow()).toEqual(before);
    expect(cell.store.takeEvents()).toEqual([]);
  });

  it('records once, beside the changes that were asked for, that the I/O of a volume was away', async () => {
    const volume = await cell.create();
    const card = cell.cardOf(volume);
    const latest = card.reports.at(-1);
    if (!latest) throw new Error('the card said nothing');
    cell.store.takeEvents();
    const outage = { fromMs: 1_000, untilMs: 3_500, fromIsExact: true, guestMustReset: true };
    await card.say({ ...latest, outage });
    await card.say({ ...latest, outage });
    const { items } = await cell.scheduler.queries.listChanges({ ...reader, volumeId: volume.volumeId, pageSize: 10 });
    expect(items.filter(({ kind }) => kind === 'heal')).toMatchObject([{ state: 'settled', outage }]);
    expect(cell.store.takeEvents()).toMatchObject([
      { kind: 'volume', what: 'interrupted', data: { awayMs: 2_500, awayMsIsExact: true, guestMustReset: true } },
    ]);
    expect((await cell.volumeNow()).changeId).toBe(volume.changeId);
    await cell.change({ qos: { iopsTotal: 5 } });
    await cell.settle();
    expect((await cell.volumeNow()).settledGeneration).toBe(2);
  });

  it('says once of each outage that unflushed writes were lost, since when, and what to do', async () => {
    const volume = await cell.create();
    const card = cell.cardOf(volume);
    const latest = card.reports.at(-1);
    if (!latest) throw new Error('the card said nothing');
    cell.store.takeEvents();
    const outage = {
      fromMs: 1_000,
      untilMs: 3_500,
      fromIsExact: true,
      guestMustReset: false,
      unflushedLost: true as const,
    };
    await card.say({ ...latest, outage });
    await card.say({ ...latest, outage });
    const { items } = await cell.scheduler.queries.listChanges({ ...reader, volumeId: volume.volumeId, pageSize: 10 });
    const heal = items.find(({ kind }) => kind === 'heal');
    expect(heal).toMatchObject({ outage });
    const todo = expect.stringContaining('check its file systems');
    expect(cell.store.takeEvents()).toMatchObject([
      { what: 'interrupted' },
      { what: 'unflushed-writes-lost', id: volume.volumeId, data: { changeId: heal?.changeId, goneAtMs: 1_000, todo } },
    ]);
    expect(cell.scheduler.agents.unflushedLostEvents).toBe(1);
  });

  it('says once of each news that a leg is bad, shows it, and forgets it with the leg', async () => {
    const volume = await cell.create();
    const card = cell.cardOf(volume);
    const [latest, [leg]] = [card.reports.at(-1), volume.legs];
    if (!latest || !leg) throw new Error('the card said nothing');
    cell.store.takeEvents();
    const place = { legId: leg.legId, kind: 'differs' as const, offsetBytes: 4096, lengthBytes: 8192 };
    const found = { ...place, findings: 1, firstAtMs: 5, lastAtMs: 5, repaired: false };
    const told = async (legFaults: LegFault[]) => {
      await card.say({ ...latest, legFaults });
      const ours = cell.store.takeEvents().filter(({ what }) => what.startsWith('leg-'));
      return ours.map(({ id, what, data }) => ({ id, what, findings: data['findings'] }));
    };
    const id = volume.volumeId;
    expect(await told([found])).toEqual([{ id, what: 'leg-bad', findings: 1 }]);
    expect(await told([found])).toEqual([]);
    expect(await told([])).toEqual([]);
    expect((await cell.volumeNow()).legFaults).toEqual([found]);
    const more = { ...found, findings: 2, lastAtMs: 9 };
    expect(await told([more])).toEqual([{ id, what: 'leg-bad', findings: 2 }]);
    const repaired = { ...more, repaired: true };
    expect(await told([repaired])).toEqual([{ id, what: 'leg-repaired', findings: 2 }]);
    expect(await told([repaired, { ...found, legId: 'leg-ofnobody01' }])).toEqual([]);
    expect((await cell.volumeNow()).legFaults).toEqual([repaired]);
    expect(cell.scheduler.agents.badLegEvents).toEqual({ differs: 2 });
    await cell.change({ placement: { poolIds: [cell.pools.find((pool) => pool.id !== leg.poolId)?.id ?? ''] } });
    await cell.settle();
    expect((await cell.volumeNow()).legFaults).toEqual([]);
  });

  it('takes no report from a card or pool that is not the holder', async () => {
    const volume = await cell.create();
    const stranger = cell.cards.find(({ id }) => id !== volume.cardId);
    const item = cell.cardOf(volume).items.get(volume.volumeId);
    if (!stranger || !item) throw new Error('the cell has two cards');
    await stranger.catchUp();
    expect((await stranger.say(cardReport(item, 'undone'))).staleOperationIds).toEqual([item.operationId]);
    // That nothing of it is there any more is so: whoever could not forget it before may do so now.
    expect((await stranger.say(cardReport(item, 'gone'))).staleOperationIds).toEqual([]);
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', cardId: volume.cardId });
  });

  it('fences a session that a newer one has replaced', async () => {
    const volume = await cell.create();
    const card = cell.cardOf(volume);
    card.sessionNumber = 2;
    card.sessionId = '018f2f60-0000-4000-8000-000000000002';
    await card.catchUp();
    card.sessionNumber = 1;
    card.sessionId = '018f2f60-0000-4000-8000-000000000001';
    expect(await refusalOf(card.catchUp())).toBe('fenced');
  });

  it('takes nothing from a report for another life of the database', async () => {
    const volume = await cell.create();
    const card = cell.cardOf(volume);
    const item = card.items.get(volume.volumeId);
    if (!item) throw new Error('the card has its volume');
    card.incarnation = '018f2f60-0000-4000-8000-00000000dead';
    expect((await card.say(cardReport(item, 'needs-operator'))).staleOperationIds).toEqual([item.operationId]);
    expect((await cell.volumeNow()).state).toBe('ready');
  });
});

describe('what agents are answered', () => {
  it('brings an agent from any revision to the present one', async () => {
    const volume = await cell.create();
    await cell.change({ qos: { iopsTotal: 5 } });
    const card = cell.cardOf(volume);
    await card.catchUp();
    const asked = {
      v: 1 as const,
      sessionId: card.sessionId,
      sessionNumber: 1,
      incarnation: cell.scheduler.incarnation,
    };
    const all = await cell.scheduler.agents.answer('card', card.id, { ...asked, sinceRevision: 0 });
    expect(all.items).toHaveLength(1);
    const nothing = await cell.scheduler.agents.answer('card', card.id, { ...asked, sinceRevision: all.revision });
    expect(nothing).toMatchObject({ revision: all.revision, items: [] });
    const ahead = await cell.scheduler.agents.answer('card', card.id, { ...asked, sinceRevision: all.revision + 5 });
    expect(ahead.revision).toBe(all.revision);
  });

  it('tells the card when a pool serves a leg elsewhere, under the operation that the card has', async () => {
    const volume = await cell.create();
    const [leg] = (await cell.volumeNow()).legs;
    const pool = cell.pools.find(({ id }) => id === leg?.poolId);
    const item = pool?.items.get(leg?.legId ?? '');
    if (!pool || !item) throw new Error('the pool has its leg');
    const card = cell.cardOf(volume);
    const before = card.items.get(volume.volumeId);
    await pool.say({
      ...legReport(item, 'ready'),
      address: { kind: 'nbd', host: '127.0.0.1', port: 11000, exportName: item.legId },
    });
    await card.catchUp();
    const after = card.items.get(volume.volumeId);
    expect(after?.operationId).toBe(before?.operationId);
    expect(after?.stack.legs[0]?.address).toMatchObject({ port: 11000 });
  });
});

describe('a restart of the scheduler', () => {
  it('anywhere on the way loses nothing: the agents ask and report on', async () => {
    for (const pool of cell.pools) pool.isAway = true;
    const { change } = await cell.scheduler.volumes.create({ ...cell.asked(), spec: aSpec() });
    await cell.restart();
    expect(cell.nudged.some((agent) => agent.startsWith('pool'))).toBe(true);
    for (const pool of cell.pools) pool.isAway = false;
    for (const card of cell.cards) card.isAway = true;
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('applying');
    await cell.restart();
    for (const card of cell.cards) card.isAway = false;
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('lets a change wait for an agent that is away, and says so', async () => {
    const volume = await cell.create();
    cell.cardOf(volume).isAway = true;
    const { change } = await cell.change({ qos: { iopsTotal: 5 } });
    cell.scheduler.hearCardSnapshot({ ...aCard(volume.cardId), state: 'unreachable', unreachableSinceMs: 0 });
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).waitingFor).toBe(
      `card ${volume.cardId} to begin (unreachable since 1970-01-01T00:00:00.000Z)`,
    );
    expect((await cell.volumeNow()).state).toBe('unreachable');
  });
});

describe('a step that is tried again and again', () => {
  it('is told of once for each way in which it fails, and when it is done', async () => {
    const volume = await cell.create({ placement: { poolIds: ['pool-1'] } });
    const card = cell.cardOf(volume);
    card.play = (item) => [cardReport(item, 'applied')];
    await cell.change({ placement: { poolIds: ['pool-2'] } });
    await cell.settle();
    cell.store.takeEvents();
    const item = card.items.get(volume.volumeId);
    if (!item) throw new Error('the card was given the volume');
    const attempt = (outcome: 'running' | 'failed' | 'done', atMs: number, detail: string) => ({
      ...cardReport(item, 'working'),
      steps: [
        { index: 0, kind: 'close-stack', outcome, startedAtMs: atMs, endedAtMs: outcome === 'running' ? null : atMs },
      ],
      problem: outcome === 'failed' ? { code: 'step-failed' as const, detail } : null,
    });
    for (const [n, detail] of ['busy', 'busy', 'busy', 'lost', 'lost'].entries()) {
      await card.say(attempt('running', n, detail));
      await card.say(attempt('failed', n, detail));
    }
    await card.say(attempt('done', 9, ''));
    const told = cell.store.takeEvents().filter(({ what }) => what === 'step');
    expect(told.map(({ data }) => data['outcome'])).toEqual(['failed', 'failed', 'done']);
  });
});

describe('an agent that acts on nothing new', () => {
  it('is told of once for each of its reasons, in an event and in the log', async () => {
    const volume = await cell.create();
    const card = cell.cardOf(volume);
    cell.store.takeEvents();
    const say = (diverged: string | null) =>
      cell.scheduler.agents.hearCard(card.id, { ...card.head, diverged, volumes: [] });
    for (const text of ['lacks vol-1', 'lacks vol-1', 'lacks vol-2', null, null]) await say(text);
    const events = cell.store.takeEvents();
    expect(events.map(({ kind, id, what, data }) => [kind, id, what, data['differences']])).toEqual([
      ['card', card.id, 'diverged', 'lacks vol-1'],
      ['card', card.id, 'diverged', 'lacks vol-2'],
    ]);
    expect(cell.warned).toHaveLength(2);
    expect((await cell.volumeNow()).state).toBe('ready');
  });
});
