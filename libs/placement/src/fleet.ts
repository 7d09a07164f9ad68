import type { CapabilityName, CardSnapshot, Labels, PoolSnapshot, Problem, Protocol } from '@flexbso/contracts';
import type { CardDemand, LegDemand } from './costs.js';
import type { CardReservation, LegReservation, Reservation } from './reservation.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * What an agent last said that it follows: this life of the database; another, so that what it holds is not known for
 * sure; or nothing yet, as for a moment after it has registered.
 */
export type Following = 'this' | 'another' | 'unheard';

/** A card with what is held on it. */
export interface FleetCard {
  readonly snapshot: CardSnapshot;
  readonly capabilities: ReadonlySet<CapabilityName>;
  /** Cards with the same one open legs in the same ways, and so reach the same network pools. */
  readonly legSignature: string;
  readonly use: CardUse;
  readonly follows: Following;
}
/** A pool with what is held on it. */
export interface FleetPool {
  readonly snapshot: PoolSnapshot;
  readonly capabilities: ReadonlySet<CapabilityName>;
  /** How it serves legs, as the capabilities that a card needs for it; empty: every card can. */
  readonly legCapabilities: readonly CapabilityName[];
  readonly use: LegDemand;
  readonly follows: Following;
}
export interface CardUse extends CardDemand {
  /** How many hold each function that is held. */
  readonly functionIds: ReadonlyMap<string, number>;
  /** Labels of the volumes on it, by volume. */
  readonly volumes: ReadonlyMap<string, Labels>;
}

interface CardBooks extends Writable<CardDemand> {
  /** More than one only while it is settled after a restore whose it is by now: the copy may have it for another. */
  readonly functionIds: Map<string, number>;
  readonly volumes: Map<string, Labels>;
}

const cardResources = ['iops', 'bytesPerSecond', 'memoryBytes', 'armCentiCores'] as const;
const poolResources = ['capacityBytes', 'iops', 'bytesPerSecond'] as const;

/**
 * Cards, pools and what is held on each; placement's memory of the world. Mutable, changed in place, and the one
 * holder of its books: they equal the sum of the reservations held, whether or not the card or pool is known at the
 * moment. Not a store: what is held is written elsewhere and loaded here with `adopt`.
 */
export class Fleet {
  readonly #cards = new Map<string, FleetCard>();
  readonly #pools = new Map<string, FleetPool>();
  readonly #cardBooks = new Map<string, CardBooks>();
  readonly #poolBooks = new Map<string, Writable<LegDemand>>();
  readonly #cardReservations = new Map<string, CardReservation>();
  readonly #legReservations = new Map<string, LegReservation>();
  readonly #cardFollows = new Map<string, Following>();
  readonly #poolFollows = new Map<string, Following>();

  /** Adds the card, or replaces what was known of it. What is held on it stays. */
  setCard(snapshot: CardSnapshot): void {
    const { cardId } = snapshot;
    const capabilities = namesOf(snapshot);
    const legSignature = legCapabilitiesOf(capabilities).toSorted().join(' ');
    const follows = this.follows('card', cardId);
    this.#cards.set(cardId, { snapshot, capabilities, legSignature, use: this.#booksOfCard(cardId), follows });
  }

  setPool(snapshot: PoolSnapshot): void {
    const { poolId } = snapshot;
    const capabilities = namesOf(snapshot);
    const legCapabilities = legCapabilitiesOf(capabilities);
    const follows = this.follows('pool', poolId);
    this.#pools.set(poolId, { snapshot, capabilities, legCapabilities, use: this.#booksOfPool(poolId), follows });
  }

  /** Nothing new is placed on it unless it follows this life, whether or not it is known at the moment. */
  setFollows(role: 'card' | 'pool', id: string, follows: Following): void {
    if (this.follows(role, id) === follows) return;
    (role === 'card' ? this.#cardFollows : this.#poolFollows).set(id, follows);
    const card = role === 'card' ? this.#cards.get(id) : undefined;
    const pool = role === 'pool' ? this.#pools.get(id) : undefined;
    if (card) this.setCard(card.snapshot);
    if (pool) this.setPool(pool.snapshot);
  }

  /** Where nothing was ever said of it, all is well: whoever only places knows of no lives. */
  follows(role: 'card' | 'pool', id: string): Following {
    return (role === 'card' ? this.#cardFollows : this.#poolFollows).get(id) ?? 'this';
  }

  /** Nothing new is placed on it. What is held on it stays held. */
  removeCard(cardId: string): void {
    this.#cards.delete(cardId);
  }

  removePool(poolId: string): void {
    this.#pools.delete(poolId);
  }

  cards(): Iterable<FleetCard> {
    return this.#cards.values();
  }

  pools(): Iterable<FleetPool> {
    return this.#pools.values();
  }

  get cardCount(): number {
    return this.#cards.size;
  }

  get poolCount(): number {
    return this.#pools.size;
  }

  card(cardId: string): FleetCard | undefined {
    return this.#cards.get(cardId);
  }

  pool(poolId: string): FleetPool | undefined {
    return this.#pools.get(poolId);
  }

  cardReservations(): Iterable<CardReservation> {
    return this.#cardReservations.values();
  }

  legReservations(): Iterable<LegReservation> {
    return this.#legReservations.values();
  }

  /**
   * Holds all of it, or nothing and says why: `no-placement` (unknown, already held, a function taken, a budget
   * exceeded) or `pool-full`. Never oversells.
   */
  reserve(reservation: Reservation): Problem | null {
    const refusal = this.#cardRefusal(reservation.card) ?? this.#legsRefusal(reservation.legs);
    if (refusal) return refusal;
    this.adopt(reservation);
    return null;
  }

  /**
   * Holds without judging: for what was granted before and is loaded again. The books stay exact even where a card
   * now reports less than is held on it; nothing more is placed there then. Throws on an id that is held already.
   */
  adopt({ card, legs }: Reservation): void {
    const doubled = legs.find(
      ({ legId }, index) => this.#legReservations.has(legId) || legs.findIndex((leg) => leg.legId === legId) !== index,
    );
    if (doubled) throw new Error(`leg ${doubled.legId} is reserved already`);
    if (card && this.#cardReservations.has(card.volumeId))
      throw new Error(`volume ${card.volumeId} has a card reserved already`);
    if (card) this.#holdCard(card);
    for (const leg of legs) this.#holdLeg(leg);
  }

  /** Replaces what a volume holds of its card (other limits, another stack), or leaves it and says why not. */
  replaceCard(card: CardReservation): Problem | null {
    const old = this.#cardReservations.get(card.volumeId);
    if (!old) return problem('no-placement', `volume ${card.volumeId} holds no card yet`);
    this.releaseCard(card.volumeId);
    const refusal = this.#cardRefusal(card);
    this.#holdCard(refusal ? old : card);
    return refusal;
  }

  /** Replaces what a leg holds of its pool (grown, other limits), or leaves it and says why not. */
  replaceLeg(leg: LegReservation): Problem | null {
    const old = this.#legReservations.get(leg.legId);
    if (!old) return problem('no-placement', `leg ${leg.legId} holds no pool yet`);
    this.releaseLeg(leg.legId);
    const refusal = this.#legsRefusal([leg]);
    this.#holdLeg(refusal ? old : leg);
    return refusal;
  }

  /** Gives back what a volume holds of its card; false: it held nothing. */
  releaseCard(volumeId: string): boolean {
    const held = this.#cardReservations.get(volumeId);
    if (!held) return false;
    const books = this.#booksOfCard(held.cardId);
    for (const resource of cardResources) books[resource] -= held[resource];
    count(books.functionIds, held.functionId, -1);
    books.volumes.delete(volumeId);
    return this.#cardReservations.delete(volumeId);
  }

  /** Gives back what a leg holds of its pool; false: it held nothing. */
  releaseLeg(legId: string): boolean {
    const held = this.#legReservations.get(legId);
    if (!held) return false;
    const books = this.#booksOfPool(held.poolId);
    for (const resource of poolResources) books[resource] -= held[resource];
    return this.#legReservations.delete(legId);
  }

  #holdCard(card: CardReservation): void {
    const books = this.#booksOfCard(card.cardId);
    for (const resource of cardResources) books[resource] += card[resource];
    count(books.functionIds, card.functionId, 1);
    books.volumes.set(card.volumeId, card.labels);
    this.#cardReservations.set(card.volumeId, card);
  }

  #holdLeg(leg: LegReservation): void {
    const books = this.#booksOfPool(leg.poolId);
    for (const resource of poolResources) books[resource] += leg[resource];
    this.#legReservations.set(leg.legId, leg);
  }

  #booksOfCard(cardId: string): CardBooks {
    const books = this.#cardBooks.get(cardId) ?? {
      iops: 0,
      bytesPerSecond: 0,
      memoryBytes: 0,
      armCentiCores: 0,
      functionIds: new Map(),
      volumes: new Map(),
    };
    this.#cardBooks.set(cardId, books);
    return books;
  }

  #booksOfPool(poolId: string): Writable<LegDemand> {
    const books = this.#poolBooks.get(poolId) ?? { capacityBytes: 0, iops: 0, bytesPerSecond: 0 };
    this.#poolBooks.set(poolId, books);
    return books;
  }

  #cardRefusal(card: CardReservation | null): Problem | null {
    if (!card) return null;
    const known = this.#cards.get(card.cardId);
    if (!known) return problem('no-placement', `card ${card.cardId} is not known`);
    if (this.#cardReservations.has(card.volumeId))
      return problem('no-placement', `volume ${card.volumeId} holds a card already`);
    if (known.use.functionIds.has(card.functionId))
      return problem('no-placement', `function ${card.functionId} of card ${card.cardId} is taken`);
    if (!known.snapshot.functions.some(({ functionId }) => functionId === card.functionId)) {
      return problem('no-placement', `card ${card.cardId} has no function ${card.functionId}`);
    }
    const short = cardResources.find(
      (resource) => !fits(known.use[resource], card[resource], known.snapshot.budget[resource]),
    );
    return short
      ? exceeded(
          'no-placement',
          `card ${card.cardId}`,
          short,
          card[short],
          known.snapshot.budget[short] - known.use[short],
        )
      : null;
  }

  #legsRefusal(legs: readonly LegReservation[]): Problem | null {
    // Legs of one reservation may share a pool, so that what is wanted of it is added up.
    const wanted = new Map<string, Writable<LegDemand>>();
    for (const [index, leg] of legs.entries()) {
      if (this.#legReservations.has(leg.legId) || legs.findIndex(({ legId }) => legId === leg.legId) !== index) {
        return problem('no-placement', `leg ${leg.legId} holds a pool already`);
      }
      const sum = wanted.get(leg.poolId) ?? { capacityBytes: 0, iops: 0, bytesPerSecond: 0 };
      for (const resource of poolResources) sum[resource] += leg[resource];
      wanted.set(leg.poolId, sum);
    }
    for (const [poolId, sum] of wanted) {
      const refusal = this.#poolRefusal(poolId, sum);
      if (refusal) return refusal;
    }
    return null;
  }

  #poolRefusal(poolId: string, wanted: LegDemand): Problem | null {
    const known = this.#pools.get(poolId);
    if (!known) return problem('no-placement', `pool ${poolId} is not known`);
    const short = poolResources.find(
      (resource) => !fits(known.use[resource], wanted[resource], known.snapshot.budget[resource]),
    );
    if (!short) return null;
    return exceeded(
      short === 'capacityBytes' ? 'pool-full' : 'no-placement',
      `pool ${poolId}`,
      short,
      wanted[short],
      known.snapshot.budget[short] - known.use[short],
    );
  }
}

function count(holders: Map<string, number>, functionId: string, more: number): void {
  const now = (holders.get(functionId) ?? 0) + more;
  if (now > 0) holders.set(functionId, now);
  else holders.delete(functionId);
}

/** Who asks for nothing gets it even where more is held than there is: a volume without limits on an overdrawn card. */
export function fits(used: number, wanted: number, budget: number): boolean {
  return wanted === 0 || used + wanted <= budget;
}

/** A function of the card that is free and speaks the protocol; of several, the one that speaks the fewest others. */
export function freeFunctionOf(card: FleetCard, protocol: Protocol): string | null {
  let best: { functionId: string; protocols: readonly Protocol[] } | null = null;
  for (const candidate of card.snapshot.functions) {
    if (!candidate.protocols.includes(protocol) || card.use.functionIds.has(candidate.functionId)) continue;
    if (!best || candidate.protocols.length < best.protocols.length) best = candidate;
  }
  return best?.functionId ?? null;
}

function legCapabilitiesOf(capabilities: ReadonlySet<CapabilityName>): CapabilityName[] {
  return [...capabilities].filter((name) => name.startsWith('leg.'));
}

function namesOf(snapshot: CardSnapshot | PoolSnapshot): ReadonlySet<CapabilityName> {
  return new Set(snapshot.capabilities.has.map(({ name }) => name));
}

function problem(code: 'no-placement' | 'pool-full', detail: string): Problem {
  return { code, detail };
}

function exceeded(
  code: 'no-placement' | 'pool-full',
  where: string,
  resource: string,
  wanted: number,
  free: number,
): Problem {
  return {
    code,
    detail: `${where} has ${Math.max(0, free)} ${resource} free, and ${wanted} are needed`,
    facts: { where, resource, wanted, free },
  };
}
