import { type BsoEvent, eventSchema, MAX_MESSAGE_BYTES, problemOfParse, ProblemError } from '@flexbso/contracts';
import { transaction, writeRows } from '@flexbso/persistence';
import type { DataSource, SelectQueryBuilder } from 'typeorm';
import { z } from 'zod';
import { EventRow } from './event-entity.js';

export interface EventsQuery {
  readonly pageSize: number;
  readonly pageToken?: string | undefined;
  readonly kind?: BsoEvent['kind'] | undefined;
  /** Of the card, pool, volume or change. */
  readonly id?: string | undefined;
  /** Only events at or after this instant, ms since the epoch. */
  readonly sinceMs?: number | undefined;
}

export interface EventsPage {
  readonly items: BsoEvent[];
  readonly nextPageToken: string | null;
}

/** Half of the largest message: room for the envelope and for one more event. */
const maxPageBytes = MAX_MESSAGE_BYTES / 2;

/** Events come in bursts, and nobody waits for the trail: one commit for those of this long. */
const gatherMs = 100;
/** Written without waiting longer; the stream hands out no more than this before some are acknowledged. */
export const maxGathered = 64;

interface Arrived {
  readonly row: Pick<EventRow, 'eventId' | 'kind' | 'id' | 'atMs' | 'event'>;
  readonly kept: () => void;
  readonly lost: (error: unknown) => void;
}

/** Everything that happened, each event once, in the database. */
export class AuditTrail {
  readonly #dataSource: DataSource;
  #arrived: Arrived[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /** Adds an event; one that is there already stays as it is. Resolves when it is committed, together with others. */
  add(event: BsoEvent): Promise<void> {
    const { eventId, kind, id, atMs } = event;
    return new Promise((kept, lost) => {
      this.#arrived.push({ row: { eventId, kind, id, atMs, event }, kept, lost });
      if (this.#arrived.length >= maxGathered) this.#write();
      else this.#timer ??= setTimeout(() => this.#write(), gatherMs);
    });
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    void this.#keep(this.#arrived.splice(0));
  }

  /** Tells each event's adder; never rejects. */
  async #keep(arrived: readonly Arrived[]): Promise<void> {
    try {
      const rows = arrived.map(({ row }) => row);
      await transaction(this.#dataSource, (manager) => writeRows(manager, EventRow, rows, 'keep'));
      for (const { kept } of arrived) kept();
    } catch (error) {
      // One that the database does not take must not take the others with it.
      if (arrived.length > 1) for (const one of arrived) await this.#keep([one]);
      else for (const { lost } of arrived) lost(error);
    }
  }

  /**
   * One page, the newest first. What arrives meanwhile does not move the pages that follow.
   * @throws ProblemError `invalid-request` for a page token that we did not make.
   */
  async list(query: EventsQuery): Promise<EventsPage> {
    const rows = await this.#select(query).getMany();
    const items: BsoEvent[] = [];
    let bytes = 0;
    for (const row of rows.slice(0, query.pageSize)) {
      if (bytes >= maxPageBytes) break;
      const event = eventSchema.parse(row.event);
      items.push(event);
      bytes += Buffer.byteLength(JSON.stringify(event));
    }
    const last = rows[items.length - 1];
    return { items, nextPageToken: last && rows.length > items.length ? tokenOf(last) : null };
  }

  #select({ pageSize, pageToken, kind, id, sinceMs }: EventsQuery): SelectQueryBuilder<EventRow> {
    const select = this.#dataSource.manager.createQueryBuilder(EventRow, 'event');
    if (kind !== undefined) select.andWhere('event.kind = :kind', { kind });
    if (id !== undefined) select.andWhere('event.id = :id', { id });
    if (sinceMs !== undefined) select.andWhere('event.atMs >= :sinceMs', { sinceMs });
    if (pageToken !== undefined) {
      const [atMs, sequence] = placeOf(pageToken);
      select.andWhere('(event.atMs < :atMs OR (event.atMs = :atMs AND event.sequence < :sequence))', {
        atMs,
        sequence,
      });
    }
    // One more than asked for: whether there is a next page.
    return select
      .orderBy('event.atMs', 'DESC')
      .addOrderBy('event.sequence', 'DESC')
      .take(pageSize + 1);
  }
}

/** The place of the last event given: its time and its sequence. */
function tokenOf({ atMs, sequence }: EventRow): string {
  return Buffer.from(JSON.stringify([atMs, sequence])).toString('base64url');
}

const placeSchema = z.tuple([z.int(), z.int()]);

function placeOf(token: string): [number, number] {
  const text = Buffer.from(token, 'base64url').toString('utf8');
  const json = /^\[-?\d{1,16},\d{1,16}\]$/.test(text) ? JSON.parse(text) : null;
  const parsed = placeSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new ProblemError(problemOfParse('pageToken', parsed.error));
}
