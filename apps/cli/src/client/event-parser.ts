/** One server-sent event. */
export interface ServerEvent {
  /** Null when the event had none. */
  readonly id: string | null;
  /** `message` unless it was named. */
  readonly event: string;
  readonly data: string;
}

/** Far above one event; a server that never ends one must not fill the memory. */
const maxBufferedCharacters = 4 * 1024 ** 2;

/** Turns a text/event-stream, in pieces of any size, into events. Comments are skipped. */
export class EventParser {
  #rest = '';

  /** @throws RangeError when an event grows beyond all measure */
  push(piece: string): ServerEvent[] {
    const blocks = (this.#rest + piece).replaceAll('\r\n', '\n').split('\n\n');
    this.#rest = blocks.pop() ?? '';
    if (this.#rest.length > maxBufferedCharacters) throw new RangeError('an event of the stream is too long');
    return blocks.flatMap((block) => eventOf(block));
  }
}

function eventOf(block: string): ServerEvent[] {
  const fields = block.split('\n').flatMap((line) => {
    const [, name = '', value = ''] = /^([^:]+):? ?(.*)$/s.exec(line) ?? [];
    return name === '' ? [] : [{ name, value }];
  });
  const valuesOf = (name: string) => fields.filter((field) => field.name === name).map(({ value }) => value);
  const data = valuesOf('data');
  if (data.length === 0) return [];
  return [{ id: valuesOf('id').at(-1) ?? null, event: valuesOf('event').at(-1) ?? 'message', data: data.join('\n') }];
}
