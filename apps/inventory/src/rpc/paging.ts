import { MAX_MESSAGE_BYTES, ProblemError } from '@flexbso/contracts';

export interface PageRequest {
  readonly pageSize: number;
  /** What the page before said comes next. */
  readonly pageToken?: string | undefined;
}
export interface Page<Item> {
  readonly items: Item[];
  readonly nextPageToken: string | null;
}

/** Half of the largest message: room for the envelope, and for one more card with all its functions. */
const maxPageBytes = MAX_MESSAGE_BYTES / 2;

/**
 * One page of items that are sorted by id. The token holds the last id given, so a page stays right when items come
 * and go between two questions. A page may be shorter than asked for: it is kept below the size of a message.
 * @throws ProblemError `invalid-request` for a token that we did not make.
 */
export function pageOf<Item>(items: readonly Item[], request: PageRequest, idOf: (item: Item) => string): Page<Item> {
  const after = request.pageToken === undefined ? '' : idOfToken(request.pageToken);
  const rest = items.filter((item) => idOf(item) > after);
  const page: Item[] = [];
  let bytes = 0;
  for (const item of rest) {
    if (page.length >= request.pageSize || bytes >= maxPageBytes) break;
    page.push(item);
    bytes += Buffer.byteLength(JSON.stringify(item));
  }
  const last = page.at(-1);
  const more = last !== undefined && page.length < rest.length;
  return { items: page, nextPageToken: more ? Buffer.from(idOf(last)).toString('base64url') : null };
}

function idOfToken(token: string): string {
  const id = Buffer.from(token, 'base64url').toString('utf8');
  if (/^[a-z0-9-]{1,40}$/.test(id)) return id;
  const message = 'not a token that a page before gave';
  throw new ProblemError({
    code: 'invalid-request',
    detail: `pageToken: ${message}`,
    errors: [{ path: 'pageToken', message }],
  });
}
