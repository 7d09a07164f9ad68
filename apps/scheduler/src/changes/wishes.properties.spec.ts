import { type Change, finalChangeStates, type VolumePatch } from '@flexbso/contracts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlowCard } from '../testing/fake-agents.js';
import { aSpec, encrypted } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { expectNothingLeft } from '../testing/nothing-left.js';

const patches: VolumePatch[] = [
  { qos: { iopsTotal: 100 } },
  { qos: null },
  { placement: { poolIds: ['pool-1'] } },
  { placement: { poolIds: ['pool-2'] } },
  { stack: { layers: [...encrypted.layers] } },
  { stack: { layers: [] } },
  { labels: { tier: 'gold' } },
];

const kinds = [
  ...(['round', 'restart', 'repeat', 'delete', 'create', 'detach', 'cancel', 'pause', 'resume'] as const),
  /** Cards do what they were given, and say so; or have yet to say so; or leave it open. */
  ...(['work', 'work-unheard', 'rest'] as const),
];
const attachments = [{}, { cardId: 'card-1' }, { cardId: 'card-2' }, { functionId: 'vf-3' }, { functionId: 'vf-4' }];
type Act =
  | { kind: 'change'; patch: VolumePatch }
  | { kind: 'attach'; wish: (typeof attachments)[number] }
  | { kind: (typeof kinds)[number] };
const change = fc.constantFrom(...patches).map((patch): Act => ({ kind: 'change', patch }));
const attach = fc.constantFrom(...attachments).map((wish): Act => ({ kind: 'attach', wish }));
const one = fc.oneof(
  { weight: 4, arbitrary: change },
  { weight: 2, arbitrary: attach },
  { weight: 6, arbitrary: fc.constant<Act>({ kind: 'round' }) },
  { weight: 8, arbitrary: fc.constantFrom(...kinds).map((kind): Act => ({ kind })) },
);

const rounds = (count: number) => Array.from({ length: count }, (): Act => ({ kind: 'round' }));

/** A cancel that meets a card at work: before it has done what it was given, or when it has and was not heard yet. */
const meeting = fc
  .tuple(change, fc.boolean())
  .map(([asked, isLate]): Act[] => [
    { kind: 'work' },
    ...rounds(4),
    { kind: 'rest' },
    asked,
    ...rounds(2),
    ...(isLate ? [{ kind: 'work-unheard' as const }] : []),
    { kind: 'cancel' },
  ]);
const schedule = fc
  .array(fc.oneof({ weight: 12, arbitrary: one.map((single) => [single]) }, { weight: 1, arbitrary: meeting }), {
    minLength: 10,
    maxLength: 30,
  })
  .map((parts) => parts.flat());

/** A cell whose cards take their time. */
class Schedule {
  readonly #cell: MemoryCell;
  readonly #cards: SlowCard[] = [];
  #isPaused = false;
  #begun = 0;
  readonly #given = new Set<string>();

  constructor(cell: MemoryCell) {
    this.#cell = cell;
    for (const card of cell.cards) {
      const slow = new SlowCard();
      slow.isWorking = true;
      card.play = slow.play;
      this.#cards.push(slow);
    }
  }

  async perform(act: Act): Promise<void> {
    const cell = this.#cell;
    switch (act.kind) {
      case 'create':
        await refusalOf(cell.scheduler.volumes.create({ ...cell.asked(), spec: aSpec() }));
        break;
      case 'change':
        await refusalOf(cell.change(act.patch));
        break;
      case 'detach':
        await refusalOf(cell.detach());
        break;
      case 'attach':
        await refusalOf(cell.attach(act.wish));
        break;
      case 'delete':
        await refusalOf(this.#delete());
        break;
      case 'cancel':
        await refusalOf(cell.volumeNow().then(({ changeId }) => cell.cancel(changeId ?? '')));
        break;
      default:
        await this.#disturb(act.kind);
    }
  }

  async #delete() {
    const { generation } = await this.#cell.volumeNow();
    await this.#cell.scheduler.volumes.delete({
      ...this.#cell.asked(),
      volume: 'vol-a',
      basedOnGeneration: generation,
    });
  }

  async #disturb(
    kind: Exclude<Act['kind'], 'create' | 'change' | 'attach' | 'detach' | 'delete' | 'cancel'>,
  ): Promise<void> {
    const cell = this.#cell;
    switch (kind) {
      case 'pause':
        await cell.pause(null);
        this.#isPaused = true;
        this.#begun = await this.#operations();
        return;
      case 'resume':
        this.#isPaused = false;
        await cell.resume(null);
        return;
      case 'restart':
        await cell.restart();
        return;
      case 'repeat':
        for (const card of cell.cards) for (const report of card.reports.slice(-3)) await card.say(report);
        return;
      case 'round':
        for (const agent of [...cell.cards, ...cell.pools]) await agent.catchUp();
        return;
      default:
        for (const slow of this.#cards) slow.isWorking = kind !== 'rest';
        for (const card of cell.cards) {
          if (kind === 'work') await card.goOn();
          else for (const item of card.items.values()) card.play(item);
        }
    }
  }

  /** How many operations of persons the card was ever given. */
  async #operations(): Promise<number> {
    const entries = await this.#cell.store.read((reader) =>
      Promise.all(this.#cell.cards.map(({ id }) => reader.desired('card', id, 0))),
    );
    for (const { item } of entries.flat())
      // One that takes limits along goes on under another name, held as before.
      if ('origin' in item && item.origin === 'person' && !item.amends) this.#given.add(item.operationId);
    return this.#given.size;
  }

  /** What should never be so; empty is right. */
  async violations(): Promise<string[]> {
    const given = await this.#operations();
    const begun = this.#isPaused && given > this.#begun ? ['an operation began while all was paused'] : [];
    return [...begun, ...(await this.#cell.scheduler.checkReservations())];
  }

  /** Everything is let go on. */
  async finish(): Promise<void> {
    await this.#disturb('resume');
    await this.#disturb('work');
    await this.#cell.settle();
  }
}

function outcomeFits({ state, cancel }: Change): boolean {
  if (cancel === null) return true;
  return cancel.outcome === (state === 'settled' ? 'cut-over-passed' : 'undone');
}

describe('a volume whose changes are cancelled, paused and resumed at any time', () => {
  it('comes to rest whole, nothing begins while it is paused, and every cancel says truly what came of it', async () => {
    let undone = 0;
    let late = 0;
    await fc.assert(
      fc.asyncProperty(schedule, async (acts) => {
        const cell = await MemoryCell.start();
        const volume = new Schedule(cell);
        for (const act of [{ kind: 'create' as const }, ...acts]) {
          await volume.perform(act);
          expect(await volume.violations()).toEqual([]);
        }
        await volume.finish();
        const changes = await cell.store.read((reader) =>
          reader.changes({ tenantId: null, volumeId: null }, null, 200),
        );
        expect(changes.filter(({ state }) => !finalChangeStates.includes(state))).toEqual([]);
        expect(changes.filter((asked) => !outcomeFits(asked))).toEqual([]);
        undone += changes.filter(({ cancel }) => cancel?.outcome === 'undone').length;
        late += changes.filter(({ cancel }) => cancel?.outcome === 'cut-over-passed').length;
        await expectNothingLeft(cell);
      }),
      { numRuns: 40 },
    );
    expect(undone).toBeGreaterThan(0);
    expect(late).toBeGreaterThan(0);
  });
});
