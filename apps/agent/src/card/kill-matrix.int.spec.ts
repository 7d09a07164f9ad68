import { cardStepSchema, type CardStepKind } from '@flexbso/contracts';
import { OVERLAY_CUT_OVER } from '@flexbso/dataplane-qsd/testing';
import { eventually } from '@flexbso/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { keptCount } from '../testing/kept-counts.js';
import { NamedFuse } from '../testing/named-fuse.js';
import { limits, type QsdChanged, qsdChanges } from '../testing/qsd-changes.js';
import {
  afterDeath,
  asks,
  type Ended,
  endOf,
  momentsOf,
  prepared,
  sound,
  STRUCK_MS,
  WHOLE_MS,
  wholeQsdChanges,
} from '../testing/qsd-matrix.js';

/** Compression is done by this data plane's pools. */
const notDone: readonly CardStepKind[] = ['build-compression'];

const completed = (end: Ended) => ({ isStruck: true, ...sound(end) });

describe.each(qsdChanges)('on the real data plane: $name', (changed) => {
  const end = changed.change.tombstone ? 'gone' : 'settled';
  let moments: readonly string[] = [];
  beforeAll(async () => {
    moments = await momentsOf(changed);
  });

  it.each(changed.kinds)('is completed when its agent dies with the intent of %s on disk', async (kind) => {
    const after = await afterDeath(
      changed,
      `journal: after ${moments.find((one) => one.includes(`intent of ${kind}`))?.slice('journal: before '.length)}`,
    );
    expect(after).toEqual({ ...after, ...completed(after), phase: end });
  });

  it.each(changed.kinds)('is completed when its agent dies inside %s', async (kind) => {
    const within = moments.filter((moment) => moment.startsWith(`${kind}: after `));
    const at = within.find((moment) => !asks(moment)) ?? within[0] ?? `${kind}: before`;
    const after = await afterDeath(changed, at);
    expect({ at, ...after }).toEqual({ at, ...after, ...completed(after), phase: end });
  });
});

interface CutOver extends QsdChanged {
  /** Before and after the intent of the cut-over, its call, and the steps next to it. */
  readonly moments: readonly string[];
}

const intended = ['journal: before done and intent of cut-over', 'journal: after done and intent of cut-over'];
const completedJob = ['cut-over: before job-complete', 'cut-over: after job-complete', 'cut-over: after job-dismiss'];
const onwards = ['cut-over: after', 'restore-limits: after'];
const cutOvers: readonly CutOver[] = [
  {
    name: 'a swap',
    before: [{ qos: limits }],
    change: { newStack: true },
    kinds: [],
    moments: ['copy: after', ...intended, ...completedJob, ...onwards],
  },
  {
    name: 'a snapshot',
    before: [{ qos: limits }],
    change: { snapshot: true },
    kinds: [],
    moments: ['build-overlay: after', ...intended.slice(1), `cut-over: after ${OVERLAY_CUT_OVER}`, 'cut-over: after'],
  },
  {
    name: 'writing back',
    before: [{ qos: limits }, { snapshot: true }],
    change: { writeBack: true },
    kinds: [],
    moments: ['copy: after', ...intended.slice(1), ...completedJob.slice(1, 2), 'cut-over: after'],
  },
];

const lives = ['the agent lives', 'the agent dies with it'] as const;
const killings = cutOvers.flatMap(({ moments, ...change }) => lives.map((who) => ({ ...change, who, moments })));

describe.each(killings)(
  'on the real data plane, a daemon that is killed around the cut-over of $name while $who',
  ({ who, moments, ...changed }) => {
    it.each(moments)('leaves one complete stack, at %s', async (at) => {
      const [card, guest] = await prepared(changed);
      try {
        const previous = card.wanted;
        const fuse = new NamedFuse(at, async () => {
          await guest.writesWithin();
          await card.site.killVolume(card.volumeId);
          if (who === 'the agent dies with it') fuse.blow();
        });
        fuse.isArmed = true;
        await card.start(fuse);
        await card.want(changed.change);
        await eventually('it is struck', () => fuse.isStruck, STRUCK_MS);
        if (who === 'the agent dies with it') {
          await eventually('it is dead', () => fuse.blown, STRUCK_MS);
          await card.stop();
          await card.start();
        }
        const end = await endOf(card, guest, previous);
        // Once it was ready, the copy kept both complete: before the intent either may stay, from there on only the new.
        expect(end).toEqual({ ...end, ...sound(end) });
      } finally {
        await card.dispose();
      }
    });
  },
);

/** Entries of a swap of which half a line is all that came to the disk. */
const tornEntries = [
  'begin and intent of open-leg',
  'done and intent of cut-over',
  'done and intent of restore-limits',
];

it.each(tornEntries)('a journal whose last line is torn, at %s, loses that line alone', async (entries) => {
  const changed = { name: '', kinds: [], before: [{ qos: limits }], change: { newStack: true } };
  const after = await afterDeath(changed, `journal: before ${entries}`, true);
  expect(after).toEqual({ ...after, ...completed(after), phase: 'settled' });
});

it('would tell of a wrong byte in the volume, and of one in a snapshot', async () => {
  const before: QsdChanged['before'] = [{}, { snapshot: true }];
  const [card, guest] = await prepared({ name: '', before, change: {}, kinds: [] });
  try {
    expect(await guest.lost()).toEqual([]);
    await card.site.guest.write(card.volumeId, 0, Buffer.from('wrong'));
    const base = card.wanted?.bases?.[0]?.legs[0]?.legId ?? 'none';
    await card.site.scribble(base);
    expect(await guest.lost()).toEqual(['once: wrongnce', `snapshot on ${base}`]);
  } finally {
    await card.dispose();
  }
});

it('meets every kind of step that the planner has', () => {
  const kinds = cardStepSchema.options.map((option) => option.shape.kind.value);
  const met = [...qsdChanges.flatMap((changed) => changed.kinds), ...notDone];
  expect([...new Set(met)].toSorted()).toEqual(kinds.toSorted());
});

it('has not become smaller', () => {
  const kinds = qsdChanges.flatMap((changed) => changed.kinds);
  const moments = killings.flatMap((killing) => killing.moments);
  const cases = 2 * kinds.length + moments.length + tornEntries.length;
  expect(cases).toBeGreaterThanOrEqual(keptCount('killsOnQsd'));
});

/** Comes by the clock: in another run of the change it may not. */
const isBeat = (moment: string) => moment.endsWith(' heartbeat');
/** Only looks: to die at one is to die before or after what comes next. */
const isOfItsOwn = (moment: string) => !asks(moment) && !isBeat(moment);
/** The name of what is appended is that of its entries; other calls of the journal have one. */
const isAppend = (moment: string) => moment.startsWith('journal: before ');
let wholeCases = 0;
let wholeTorn = 0;

it.each(wholeQsdChanges)(
  'of the whole product, is completed wherever its agent dies: $name',
  { timeout: WHOLE_MS },
  async (changed) => {
    const end = changed.change.tombstone ? 'gone' : 'settled';
    for (const at of (await momentsOf(changed)).filter(isOfItsOwn)) {
      const after = await afterDeath(changed, at);
      expect({ at, ...after }).toEqual({ at, ...after, ...completed(after), phase: end });
      wholeCases++;
    }
  },
);

it.each(wholeQsdChanges)(
  'of the whole product, loses the last line of its journal alone wherever that is torn: $name',
  { timeout: WHOLE_MS },
  async (changed) => {
    const end = changed.change.tombstone ? 'gone' : 'settled';
    for (const at of (await momentsOf(changed)).filter(isAppend)) {
      const after = await afterDeath(changed, at, true);
      expect({ at, ...after }).toEqual({ at, ...after, ...completed(after), phase: end });
      wholeTorn++;
    }
  },
);

it.each(wholeQsdChanges.slice(0, 1))('of the whole product, has not become smaller', () => {
  expect(wholeCases).toBeGreaterThanOrEqual(keptCount('wholeKillsOnQsd'));
  expect(wholeTorn).toBeGreaterThanOrEqual(keptCount('wholeTornOnQsd'));
});
