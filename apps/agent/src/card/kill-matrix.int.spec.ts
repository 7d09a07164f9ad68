import { type CardStepKind, cardStepSchema } from '@flexbso/contracts';
import type { CardDiscovery } from '@flexbso/dataplane-port';
import { isQuestion } from '@flexbso/dataplane-qsd/testing';
import { expectedObservation, plannedVolumeOf } from '@flexbso/stack';
import { eventually } from '@flexbso/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { VOLUME_ID } from '../testing/card-fixture.js';
import { keptCount } from '../testing/kept-counts.js';
import { NamedFuse } from '../testing/named-fuse.js';
import { QsdCard, type QsdWish, SIZE_BYTES } from '../testing/qsd-card.js';

const encryption = { kind: 'encryption' } as const;
const limits = { iopsTotal: 20_000 };

interface Changed {
  readonly name: string;
  readonly before: QsdWish | null;
  readonly change: QsdWish;
  /** The kinds of steps that this change stands for. */
  readonly kinds: readonly CardStepKind[];
}

/** Together they have every kind of step that this data plane does. */
const changes: readonly Changed[] = [
  {
    name: 'create encrypted',
    before: null,
    change: { layers: [encryption], qos: limits },
    kinds: ['start-data-plane', 'open-leg', 'format-encryption', 'open-encryption', 'build-head', 'export-volume'],
  },
  { name: 'set limits', before: {}, change: { qos: limits }, kinds: ['set-limits'] },
  {
    name: 'swap to a remote pool, encrypted, with limits',
    before: { qos: limits },
    change: { newStack: true, layers: [encryption], reach: 'network' },
    kinds: ['widen-limits', 'copy', 'cut-over', 'restore-limits', 'close-stack'],
  },
  {
    name: 'grow by a swap',
    before: { protocol: 'virtio-blk' },
    change: { newStack: true, sizeBytes: 2 * SIZE_BYTES },
    kinds: ['build-window', 'grow-head'],
  },
  {
    name: 'swap to a mirror',
    before: {},
    change: { newStack: true, layers: [{ kind: 'raid1', legCount: 3 }] },
    kinds: ['build-redundancy'],
  },
  { name: 'delete', before: {}, change: { tombstone: true }, kinds: ['unexport-volume', 'stop-data-plane'] },
];

/** Compression is done by this data plane's pools. */
const notDone: readonly CardStepKind[] = ['build-compression'];
/** Until a change of seconds comes to a place in it. */
const STRUCK_MS = 30_000;
const pattern = (text: string) => Buffer.alloc(64 * 1024, text);
const asks = (moment: string) => /: (before|after) \S+$/.test(moment) && isQuestion(moment.split(' ').at(-1) ?? '');

let discovery: CardDiscovery | null = null;
async function prepared(before: QsdWish | null): Promise<QsdCard> {
  const card = await QsdCard.make(discovery);
  discovery = card.discovery;
  if (before === null) return card;
  await card.start();
  await card.settle(before);
  await card.stop();
  if (isClient(card)) await card.site.guest.write(VOLUME_ID, 0, pattern('before'));
  return card;
}

/** Whether there is a volume that these specs can be the client of. */
const isClient = ({ wanted }: QsdCard) => wanted?.tombstone === false && wanted.export.protocol === 'nbd';

/** The names of all moments of a change that nothing meets, in order. */
async function momentsOf({ before, change }: Changed): Promise<string[]> {
  const card = await prepared(before);
  try {
    const fuse = new NamedFuse();
    fuse.isArmed = true;
    await card.start(fuse);
    await card.settle(change);
    return [...new Set(fuse.moments)];
  } finally {
    await card.dispose();
  }
}

/** Where the guest is served, it writes; null: it is not served just now. */
async function guestWrites(card: QsdCard): Promise<Buffer | null> {
  const bytes = pattern('within');
  try {
    await card.site.guest.write(VOLUME_ID, 128 * 1024, bytes);
    return bytes;
  } catch {
    return null;
  }
}

/** How the change ends when its agent dies at that moment and another comes; a torn journal has half a line more. */
async function afterDeath({ before, change }: Changed, at: string, isTorn = false) {
  const card = await prepared(before);
  try {
    const previous = card.wanted;
    const fuse = new NamedFuse(at, async () => {
      if (isTorn) await card.tearJournal();
      fuse.blow();
    });
    fuse.isArmed = true;
    await card.start(fuse);
    await card.want(change);
    await eventually(
      'the agent is dead or done',
      () => fuse.isStruck || ['settled', 'gone'].includes(card.phase),
      STRUCK_MS,
    );
    await card.stop();
    const written = previous !== null && isClient(card) ? await guestWrites(card) : null;
    await card.start();
    return { isStruck: fuse.isStruck, ...(await endOf(card, previous, written)) };
  } finally {
    await card.dispose();
  }
}

async function endOf(card: QsdCard, previous: QsdCard['wanted'], written: Buffer | null) {
  const phase = await card.untilEnded();
  await card.stop();
  const current = phase === 'undone' ? previous : card.wanted;
  if (!current) throw new Error('it was undone, and there was nothing before');
  const { exports: _, ...observed } = await card.observe();
  const { exports: _e, ...expected } = expectedObservation(plannedVolumeOf(current));
  const isThere = previous !== null && isClient(card);
  const read = async (offset: number) => card.site.guest.read(VOLUME_ID, offset, 64 * 1024);
  return {
    phase,
    observed,
    expected,
    isKept: !isThere || (await read(0)).equals(pattern('before')),
    isWritten: !isThere || written === null || (await read(128 * 1024)).equals(written),
  };
}

type Ended = Awaited<ReturnType<typeof afterDeath>>;
const completed = ({ expected }: Ended) => ({ isStruck: true, observed: expected, isKept: true, isWritten: true });

describe.each(changes)('on the real data plane: $name', (changed) => {
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

/** Around the cut-over: before and after its intent, its call, and the steps next to it. */
const aroundCutOver = [
  'copy: after',
  'journal: before done and intent of cut-over',
  'journal: after done and intent of cut-over',
  'cut-over: before job-complete',
  'cut-over: after job-complete',
  'cut-over: after job-dismiss',
  'cut-over: after',
  'restore-limits: after',
] as const;

describe.each(['the agent lives', 'the agent dies with it'] as const)(
  'on the real data plane, a daemon that is killed around the cut-over while %s',
  (who) => {
    it.each(aroundCutOver)('leaves one complete stack, at %s', async (at) => {
      const before: QsdWish = { qos: limits };
      const card = await prepared(before);
      try {
        const previous = card.wanted;
        let written: Buffer | null = null;
        const fuse = new NamedFuse(at, async () => {
          written = await guestWrites(card);
          await card.site.killVolume(VOLUME_ID);
          if (who === 'the agent dies with it') fuse.blow();
        });
        fuse.isArmed = true;
        await card.start(fuse);
        await card.want({ newStack: true });
        await eventually('it is struck', () => fuse.isStruck, STRUCK_MS);
        if (who === 'the agent dies with it') {
          await eventually('it is dead', () => fuse.blown, STRUCK_MS);
          await card.stop();
          await card.start();
        }
        const end = await endOf(card, previous, written);
        // Once it was ready, the copy kept both complete: before the intent either may stay, from there on only the new.
        expect(end).toEqual({ ...end, observed: end.expected, isKept: true, isWritten: true });
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
  const changed = { name: '', kinds: [], before: { qos: limits }, change: { newStack: true } };
  const after = await afterDeath(changed, `journal: before ${entries}`, true);
  expect(after).toEqual({ ...after, ...completed(after), phase: 'settled' });
});

it('meets every kind of step that the planner has', () => {
  const kinds = cardStepSchema.options.map((option) => option.shape.kind.value);
  const met = [...changes.flatMap((changed) => changed.kinds), ...notDone];
  expect(met.toSorted()).toEqual(kinds.toSorted());
});

it('has not become smaller', () => {
  const kinds = changes.flatMap((changed) => changed.kinds);
  const cases = 2 * kinds.length + 2 * aroundCutOver.length + tornEntries.length;
  expect(cases).toBeGreaterThanOrEqual(keptCount('killsOnQsd'));
});

/** Only looks: to die at one is to die before or after what comes next. */
const isOfItsOwn = (moment: string) => !asks(moment);
/** Left out of the ordinary run altogether: a test that is skipped counts as a failure there. */
const whole = process.env['FLEXBSO_WHOLE_MATRIX'] === '1' ? changes : [];
/** Some hundred moments of seconds each. */
const WHOLE_MS = 3_600_000;
let wholeCases = 0;

it.each(whole)(
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

it.each(whole.slice(0, 1))('of the whole product, has not become smaller', () => {
  expect(wholeCases).toBeGreaterThanOrEqual(keptCount('wholeKillsOnQsd'));
});
