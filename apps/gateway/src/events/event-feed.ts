import type { ServerResponse } from 'node:http';
import { type BsoEvent, eventSchema, ProblemError, subjects } from '@flexbso/contracts';
import { type Bus, ensureEventStream, readEvents } from '@flexbso/messaging';
import { logger } from '@flexbso/observability';
import { EventWriter } from './event-writer.js';

const log = logger('events');

export interface EventReader {
  readonly kind: BsoEvent['kind'] | undefined;
  readonly id: string | undefined;
  /** The last event that the client has; null to begin now. */
  readonly lastSequence: number | null;
  /** Null sees all tenants. */
  readonly tenantId: string | null;
}

/** Each is an open socket and a consumer on the bus; a console per engineer of one fleet is far below. */
const maxStreams = 100;

/** Streams events to HTTP clients. Every client reads the stream for itself, so a slow one holds up nobody. */
export class EventFeed {
  readonly #bus: Bus;
  readonly #streams = new Set<AbortController>();

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  /** @throws ProblemError `too-many-requests` before anything is written */
  assertRoom(): void {
    if (this.#streams.size < maxStreams) return;
    throw new ProblemError({
      code: 'too-many-requests',
      detail: `${maxStreams} event streams are open, which is the most; close one, or try again later`,
      facts: { maxStreams },
    });
  }

  /** Answers with a stream until the client goes, is too slow, or the gateway stops. Returns at once. */
  open(response: ServerResponse, headers: Record<string, string>, reader: EventReader): void {
    const reading = new AbortController();
    this.#streams.add(reading);
    response.once('close', () => reading.abort());
    response.on('error', () => reading.abort());
    const writer = new EventWriter(response, headers);
    this.#copy(reader, writer, reading.signal)
      .catch((error: unknown) => {
        if (!reading.signal.aborted) log.warn('event stream failed', { error });
      })
      .finally(() => {
        this.#streams.delete(reading);
        reading.abort();
        writer.end();
      });
  }

  /** Ends every stream; clients resume elsewhere. */
  stop(): void {
    for (const reading of this.#streams) reading.abort();
  }

  async #copy(reader: EventReader, writer: EventWriter, signal: AbortSignal): Promise<void> {
    const fromSequence = await this.#startOf(reader, writer);
    const events = readEvents(this.#bus, {
      schema: eventSchema,
      signal,
      filter: filterOf(reader),
      ...(fromSequence === null ? {} : { fromSequence }),
      onInvalid: (sequence, error) => log.warn('event fits no schema', { sequence, error }),
    });
    for await (const { sequence, payload } of events) {
      if (reader.tenantId !== null && payload.tenantId !== reader.tenantId) continue;
      if (!(await writer.event(sequence, payload))) return;
    }
  }

  /** Where to begin; tells the client when what it asked for is no longer, or not yet, in the stream. */
  async #startOf({ lastSequence }: EventReader, writer: EventWriter): Promise<number | null> {
    if (lastSequence === null) return null;
    const { state } = await ensureEventStream(this.#bus);
    const firstKept = Math.max(1, state.first_seq);
    if (lastSequence + 1 >= firstKept && lastSequence <= state.last_seq) return lastSequence + 1;
    await writer.gap(lastSequence, firstKept);
    return firstKept;
  }
}

function filterOf({ kind, id }: EventReader): string {
  // Subjects end in what happened: bso.evt.<kind>.<id>.<what>.
  const [prefix = '', events = ''] = subjects.allEvents.split('.');
  return `${prefix}.${events}.${kind ?? '*'}.${id ?? '*'}.*`;
}
