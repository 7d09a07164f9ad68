import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { CardDiscovery } from '@flexbso/dataplane-port';
import { desiredStacks } from '@flexbso/stack';
import { QsdCard } from './qsd-card.js';
import type { QsdChanged } from './qsd-changes.js';

const PLACE_BYTES = 64 * 1024;
/** Where it writes: once and never again; after each change; while one is under way; and when that is over. */
const PLACES = { once: 0, each: 4, within: 2, afterwards: 6 } as const;
type Place = keyof typeof PLACES;

const pattern = (text: string) => Buffer.alloc(PLACE_BYTES, text);
const offsetOf = (place: Place) => PLACES[place] * PLACE_BYTES;

/** What runs after a change: when it was undone, what did before it, or nothing. */
type VolumeEnd = 'as-wanted' | 'as-before' | 'none';

/** Whether there is a volume that these specs can be the client of. */
const isClient = ({ wanted }: QsdCard) => wanted?.tombstone === false && wanted.export.protocol === 'nbd';

/** The guest of a card's volume, which flushes each of its writes, and what it and the snapshots have to hold. */
export class QsdGuest {
  readonly #card: QsdCard;
  readonly #content = new Map<Place, Buffer>();
  /** By leg: a digest of all but the place that is written to while a change is under way. */
  readonly #frozen: ReadonlyMap<string, string>;
  /** Legs of what the change makes a snapshot of: it takes the guest's writes until then, and when it is undone, on. */
  readonly #becoming: readonly string[];

  private constructor(
    card: QsdCard,
    content: Iterable<readonly [Place, Buffer]>,
    frozen: ReadonlyMap<string, string>,
    becoming: readonly string[],
  ) {
    this.#card = card;
    this.#content = new Map(content);
    this.#frozen = frozen;
    this.#becoming = becoming;
  }

  /** A card with the volume before the change, of which no agent runs, and its guest. */
  static async before({ before, change }: QsdChanged, discovery: CardDiscovery | null): Promise<[QsdCard, QsdGuest]> {
    const card = await QsdCard.make(discovery);
    const [once, each] = [pattern('once'), before.map((_, index) => pattern(`each ${index} `))];
    if (before.length > 0) await card.start();
    for (const [index, wish] of before.entries()) {
      await card.settle(wish);
      if (!isClient(card)) continue;
      if (index === 0) await card.site.guest.write(card.volumeId, offsetOf('once'), once);
      await card.site.guest.write(card.volumeId, offsetOf('each'), each[index] ?? once);
    }
    if (before.length > 0) await card.stop();
    const last = each[change.upon ? 0 : before.length - 1];
    const content =
      last === undefined
        ? []
        : ([
            ['once', once],
            ['each', last],
          ] as const);
    const becoming = becomingLegs(card, change);
    const kept = keptLegs(card, change).filter((legId) => isPlain(card) || !becoming.includes(legId));
    return [card, new QsdGuest(card, content, await digestsOf(card, kept), becoming)];
  }

  /** Where it is served, it writes. */
  async writesWithin(): Promise<void> {
    if (this.#content.size === 0 || !isClient(this.#card)) return;
    const bytes = pattern('within');
    try {
      await this.#card.site.guest.write(this.#card.volumeId, offsetOf('within'), bytes);
      this.#content.set('within', bytes);
    } catch {
      // Just now it is not served: nothing was answered.
    }
  }

  /** What is not as it was written, by name: of the volume, and of what its snapshots are to hold for ever. */
  async lost(end: VolumeEnd = 'as-wanted'): Promise<string[]> {
    const isServed = this.#content.size > 0 && isClient(this.#card) && end !== 'none';
    const lost: string[] = [];
    const { guest } = this.#card.site;
    const frozen = await this.#toStay(end !== 'as-wanted');
    if (isServed) {
      for (const [place, bytes] of this.#content) {
        const read = await guest.read(this.#card.volumeId, offsetOf(place), PLACE_BYTES);
        if (!read.equals(bytes)) lost.push(`${place}: ${read.subarray(0, 8).toString('latin1')}`);
      }
      await guest.write(this.#card.volumeId, offsetOf('afterwards'), pattern('afterwards'));
    }
    const now = await digestsOf(this.#card, frozen.keys());
    for (const [legId, digest] of frozen) if (now.get(legId) !== digest) lost.push(`snapshot on ${legId}`);
    return lost;
  }

  /** What it cannot be compared with from before the change stays from now on. */
  async #toStay(isUndone: boolean): Promise<ReadonlyMap<string, string>> {
    const isOpen = (legId: string) => isUndone && this.#becoming.includes(legId);
    const before = [...this.#frozen].filter(([legId]) => !isOpen(legId));
    const since = this.#becoming.filter((legId) => !this.#frozen.has(legId) && !isOpen(legId));
    return new Map([...before, ...(await digestsOf(this.#card, since))]);
  }
}

/** The legs of what becomes a snapshot by the change. */
function becomingLegs({ wanted }: QsdCard, { snapshot }: QsdChanged['change']): string[] {
  const [top] = snapshot && wanted ? desiredStacks(wanted) : [];
  return (top?.legs ?? []).map(({ legId }) => legId);
}

/** The legs of what is a snapshot from the change on, or was one before and is to stay. */
function keptLegs({ wanted }: QsdCard, { snapshot, writeBack }: QsdChanged['change']): string[] {
  const stacks = wanted === null ? [] : desiredStacks(wanted);
  const kept = stacks.slice(snapshot ? 0 : writeBack ? 2 : 1);
  return kept.flatMap(({ legs }) => legs.map(({ legId }) => legId));
}

/** An overlay puts what is written where it has room, and encryption beyond its header. */
function isPlain({ wanted }: QsdCard): boolean {
  const [top, ...beneath] = wanted ? desiredStacks(wanted) : [];
  return beneath.length === 0 && top?.encryptionKey === null;
}

async function digestsOf({ site }: QsdCard, legIds: Iterable<string>): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  for (const legId of legIds) {
    const bytes = await readFile(site.legFile(legId));
    // What is written while a snapshot is taken is before its moment or after it.
    bytes.fill(0, offsetOf('within'), offsetOf('within') + PLACE_BYTES);
    digests.set(legId, createHash('sha256').update(bytes).digest('hex'));
  }
  return digests;
}
