import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { changeSchema, finalChangeStates, volumeSchema } from '@flexbso/contracts';
import type { Change, Volume, VolumePatch } from '@flexbso/contracts';
import { z } from 'zod';

/** How the demo, the benchmarks and the end-to-end tests speak to a running system: HTTP and nothing else. */
export interface ApiAddress {
  readonly server: string;
  readonly token: string;
}

const changed = z.object({ volume: volumeSchema, change: changeSchema });
export type Changed = z.infer<typeof changed>;

/** A request that was not answered with success; holds what the server said. */
export class ApiError extends Error {
  readonly status: number;
  readonly body: string;

  constructor(what: string, status: number, body: string) {
    super(`${what}: ${status} ${body}`);
    this.name = 'ApiError';
    this.status = status;
    this.body = body;
  }

  /** Of the problem that the server named; null when it named none. */
  get code(): string | null {
    return /"type":"urn:flexbso:problem:([a-z-]+)"/.exec(this.body)?.[1] ?? null;
  }
}

const POLL_MS = 50;
const REQUEST_TIMEOUT_MS = 30_000;

/** Not answered, or not by whom it was meant for: repeated with its Idempotency-Key it is done once. */
function isUnanswered(error: unknown): boolean {
  if (error instanceof ApiError) return [502, 503, 504].includes(error.status);
  // What `fetch` throws when there is no connection, or it ends, or nothing comes in time.
  return error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError');
}

/** Null where asking again may help: a service behind the gateway is away, or did not answer in time. */
function stillAway(error: unknown, untilMs: number): null {
  const mayHelp = error instanceof ApiError && (error.status === 503 || error.status === 504);
  if (!mayHelp || Date.now() > untilMs) throw error;
  return null;
}

export class ApiClient {
  readonly #address: ApiAddress;
  readonly #patienceMs: number;

  /** `patienceMs`: for how long a request that nobody answers is repeated, with its key; by default not at all. */
  constructor(address: ApiAddress, { patienceMs = 0 } = {}) {
    this.#address = address;
    this.#patienceMs = patienceMs;
  }

  async get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return schema.parse(await this.#send('GET', path));
  }

  async createVolume(spec: Record<string, unknown>): Promise<Changed> {
    return changed.parse(await this.#send('POST', '/v1/volumes', spec));
  }

  volume(volumeId: string): Promise<Volume> {
    return this.get(`/v1/volumes/${volumeId}`, volumeSchema);
  }

  /** A volume, also while what answers is away for a while. */
  async volumeWithin(volumeId: string, deadlineMs: number): Promise<Volume> {
    const until = Date.now() + deadlineMs;
    for (;;) {
      const volume = await this.volume(volumeId).catch((error: unknown) => stillAway(error, until));
      if (volume !== null) return volume;
      await delay(POLL_MS);
    }
  }

  change(changeId: string): Promise<Change> {
    return this.get(`/v1/changes/${changeId}`, changeSchema);
  }

  /** Changes a volume on the base of the generation that it has now. */
  async changeVolume(volumeId: string, patch: VolumePatch): Promise<Changed> {
    const { generation } = await this.volume(volumeId);
    return this.patchVolume(volumeId, generation, patch);
  }

  async patchVolume(volumeId: string, generation: number, patch: VolumePatch): Promise<Changed> {
    return changed.parse(await this.#send('PATCH', `/v1/volumes/${volumeId}`, patch, generation));
  }

  /** Fails a volume over on the base of the generation that it has now; without a card one is chosen. */
  async failoverVolume(volumeId: string, cardId?: string): Promise<Changed> {
    const { generation } = await this.volume(volumeId);
    const body = cardId === undefined ? {} : { cardId };
    return changed.parse(await this.#send('POST', `/v1/volumes/${volumeId}/failover`, body, generation));
  }

  /** Takes a volume off its card on the base of the generation that it has now. */
  async detachVolume(volumeId: string): Promise<Changed> {
    const { generation } = await this.volume(volumeId);
    return changed.parse(await this.#send('POST', `/v1/volumes/${volumeId}/detach`, undefined, generation));
  }

  async attachVolume(volumeId: string, wish: { cardId?: string; functionId?: string } = {}): Promise<Changed> {
    const { generation } = await this.volume(volumeId);
    return changed.parse(await this.#send('POST', `/v1/volumes/${volumeId}/attach`, wish, generation));
  }

  async deleteVolume(volumeId: string): Promise<Changed> {
    const { generation } = await this.volume(volumeId);
    return changed.parse(await this.#send('DELETE', `/v1/volumes/${volumeId}`, undefined, generation));
  }

  /** Asks that a change be taken back; what came of it is in the change later. */
  async cancel(changeId: string): Promise<Change> {
    return changeSchema.parse(await this.#send('POST', `/v1/changes/${changeId}/cancel`, {}));
  }

  /** Takes a snapshot of a volume on the base of the generation that it has now. */
  async createSnapshot(volumeId: string, name: string): Promise<Changed> {
    const { generation } = await this.volume(volumeId);
    return changed.parse(await this.#send('POST', `/v1/volumes/${volumeId}/snapshots`, { name }, generation));
  }

  async deleteSnapshot(volumeId: string, snapshot: string): Promise<Changed> {
    const { generation } = await this.volume(volumeId);
    const path = `/v1/volumes/${volumeId}/snapshots/${snapshot}`;
    return changed.parse(await this.#send('DELETE', path, undefined, generation));
  }

  /** Has a detached volume hold what a snapshot holds, on the base of the generation that it has now. */
  async rollbackVolume(volumeId: string, snapshot: string): Promise<Changed> {
    const { generation } = await this.volume(volumeId);
    return changed.parse(await this.#send('POST', `/v1/volumes/${volumeId}/rollback`, { snapshot }, generation));
  }

  /** Waits until a change has ended, also while what answers is away. Throws when it has not by the deadline. */
  async ended(changeId: string, deadlineMs: number): Promise<Change> {
    const until = Date.now() + deadlineMs;
    for (;;) {
      const change = await this.change(changeId).catch((error: unknown) => stillAway(error, until));
      if (change === null) {
        await delay(POLL_MS);
        continue;
      }
      if (finalChangeStates.includes(change.state) || change.state === 'needs-operator') return change;
      if (Date.now() > until)
        throw new Error(
          `change ${changeId} is ${change.state} after ${deadlineMs} ms, waiting for ${change.waitingFor ?? 'nothing that it says'}`,
        );
      await delay(POLL_MS);
    }
  }

  async #send(method: string, path: string, body?: unknown, generation?: number): Promise<unknown> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.#address.token}` };
    if (method !== 'GET') headers['idempotency-key'] = randomUUID();
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (generation !== undefined) headers['if-match'] = `"${generation}"`;
    const untilMs = Date.now() + this.#patienceMs;
    for (;;) {
      try {
        return await this.#sendOnce(method, path, { headers, body });
      } catch (error) {
        if (!isUnanswered(error) || Date.now() >= untilMs) throw error;
        await delay(POLL_MS);
      }
    }
  }

  async #sendOnce(
    method: string,
    path: string,
    { headers, body }: { headers: Record<string, string>; body: unknown },
  ): Promise<unknown> {
    const response = await fetch(`${this.#address.server}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    const text = await response.text();
    if (!response.ok) throw new ApiError(`${method} ${path}`, response.status, text);
    return JSON.parse(text);
  }
}
