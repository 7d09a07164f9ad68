import { createHash, timingSafeEqual } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { type Caller, ProblemError } from '@flexbso/contracts';
import { logger } from '@flexbso/observability';
import { type ApiToken, readTokenFile } from './token-file.js';

const log = logger('tokens');

interface KnownToken {
  readonly hash: Buffer;
  readonly token: ApiToken;
}

const bearerPattern = /^Bearer ([\x21-\x7e]{1,512})$/i;
const hint = "send 'Authorization: Bearer <token>' with a token that is valid";

/**
 * Who a token belongs to. The file is looked at on every request and read again when it changed, so that a token
 * that is taken out works no longer from the next request on; while a changed file cannot be used, the last good one
 * holds and the log says so.
 */
export class TokenBook {
  readonly #path: string;
  #known: readonly KnownToken[] = [];
  #version = '';
  /** The version that could not be used, so that it is told once and not on every request. */
  #refusedVersion = '';

  private constructor(path: string) {
    this.#path = path;
  }

  /** @throws TokenFileError: a gateway that nobody could use does not start. */
  static async open(path: string): Promise<TokenBook> {
    const book = new TokenBook(path);
    // A missing file is told by the reading, which says what it is.
    await book.#read(await versionOf(path).catch(() => ''));
    return book;
  }

  /**
   * The caller of a request.
   * @param authorization the header's value
   * @throws ProblemError `unauthenticated`, which never says which part of a token was wrong
   */
  async callerOf(authorization: string | undefined): Promise<Caller> {
    const secret = bearerPattern.exec(authorization ?? '')?.[1];
    if (secret === undefined) {
      throw new ProblemError({ code: 'unauthenticated', detail: `the request has no bearer token: ${hint}` });
    }
    await this.#refresh();
    const token = this.#find(createHash('sha256').update(secret).digest());
    if (token === null || (token.expiresAtMs !== null && token.expiresAtMs <= Date.now())) {
      throw new ProblemError({ code: 'unauthenticated', detail: `the token is unknown or has expired: ${hint}` });
    }
    return { name: token.name, role: token.role, tenantId: token.tenantId };
  }

  /** Compares with every token, in the same time whichever fits. */
  #find(hash: Buffer): ApiToken | null {
    let found: ApiToken | null = null;
    for (const known of this.#known) if (timingSafeEqual(known.hash, hash)) found = known.token;
    return found;
  }

  async #refresh(): Promise<void> {
    let version = 'unreadable';
    try {
      version = await versionOf(this.#path);
      if (version !== this.#version && version !== this.#refusedVersion) await this.#read(version);
    } catch (error) {
      if (this.#refusedVersion !== version) log.error('tokens were not read again; the last ones hold', { error });
      this.#refusedVersion = version;
    }
  }

  async #read(version: string): Promise<void> {
    const tokens = await readTokenFile(this.#path);
    this.#known = tokens.map((token) => ({ token, hash: Buffer.from(token.tokenSha256, 'hex') }));
    this.#version = version;
    this.#refusedVersion = '';
    log.info('tokens read', { count: tokens.length });
  }
}

/** Differs after every write, also of the same length within the same tick, since a replaced file is another inode. */
async function versionOf(path: string): Promise<string> {
  const { mtimeMs, ctimeMs, size, ino } = await stat(path);
  return [mtimeMs, ctimeMs, size, ino].join(':');
}
