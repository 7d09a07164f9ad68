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
}

const POLL_MS = 50;

/** Null where asking again may help: a service behind the gateway is away, or did not answer in time. */
function stillAway(error: unknown, untilMs: number): null {
  const mayHelp = error instanceof ApiError && (error.status === 503 || error.status === 504);
  if (!mayHelp || Date.now() > untilMs) throw error;
  return null;
}

export class ApiClient {
  readonly #address: ApiAddress;

  constructor(address: ApiAddress) {
    this.#address = address;
  }

  async get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return schema.parse(await (await this.#send('GET', path)).json());
  }

  async createVolume(spec: Record<string, unknown>): Promise<Changed> {
    return changed.parse(await (await this.#send('POST', '/v1/volumes', spec)).json());
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
    return changed.parse(await (await this.#send('PATCH', `/v1/volumes/${volumeId}`, patch, generation)).json());
  }

  /** Fails a volume over on the base of the generation that it has now; without a card one is chosen. */
  async failoverVolume(volumeId: string, cardId?: string): Promise<Changed> {
    const { generation } = await this.volume(volumeId);
    const body = cardId === undefined ? {} : { cardId };
    const answer = await this.#send('POST', `/v1/volumes/${volumeId}/failover`, body, generation);
    return changed.parse(await answer.json());
  }

  async deleteVolume(volumeId: string): Promise<Changed> {
    const { generation } = await this.volume(volumeId);
    return changed.parse(await (await this.#send('DELETE', `/v1/volumes/${volumeId}`, undefined, generation)).json());
  }

  /** Takes a snapshot of a volume on the base of the generation that it has now. */
  async createSnapshot(volumeId: string, name: string): Promise<Changed> {
    const { generation } = await this.volume(volumeId);
    const answer = await this.#send('POST', `/v1/volumes/${volumeId}/snapshots`, { name }, generation);
    return changed.parse(await answer.json());
  }

  async deleteSnapshot(volumeId: string, snapshot: string): Promise<Changed> {
    const { generation } = await this.volume(volumeId);
    const path = `/v1/volumes/${volumeId}/snapshots/${snapshot}`;
    return changed.parse(await (await this.#send('DELETE', path, undefined, generation)).json());
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

  async #send(method: string, path: string, body?: unknown, generation?: number): Promise<Response> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.#address.token}` };
    if (method !== 'GET') headers['idempotency-key'] = randomUUID();
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (generation !== undefined) headers['if-match'] = `"${generation}"`;
    const response = await fetch(`${this.#address.server}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    if (!response.ok) throw new ApiError(`${method} ${path}`, response.status, await response.text());
    return response;
  }
}
