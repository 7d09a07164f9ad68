import { randomUUID } from 'node:crypto';
import type { Volume } from '@flexbso/contracts';
import { z } from 'zod';
import type { System } from './system.js';

const problem = z.looseObject({ type: z.string(), detail: z.string() });

/** The code of the refusal of each thing that can be asked for of a volume's snapshots, by name; `done` where it was not refused. */
export async function refusalsOf(
  system: System,
  { volumeId, sizeBytes, generation }: Volume,
  snapshot: string,
): Promise<Record<string, string>> {
  const at = `/v1/volumes/${volumeId}`;
  const clone = {
    name: 'a-clone',
    sizeBytes,
    protocol: 'nbd',
    stack: { layers: [] },
    placement: {},
    fromSnapshot: { volume: volumeId, snapshot },
  };
  const asked: [string, string, string, unknown][] = [
    ['snapshot', 'POST', `${at}/snapshots`, { name: 'another' }],
    ['clone', 'POST', '/v1/volumes', clone],
    ['roll back', 'POST', `${at}/rollback`, { snapshot }],
    ['delete the snapshot', 'DELETE', `${at}/snapshots/${snapshot}`, undefined],
    ['delete the volume', 'DELETE', at, undefined],
  ];
  const codes: Record<string, string> = {};
  for (const [what, method, path, body] of asked) {
    const key = randomUUID();
    const sent = body === undefined ? '' : JSON.stringify(body);
    const response = await system.write(method, path, { key, body: sent, ifMatch: `"${generation}"` });
    const said = response.ok ? null : problem.parse(await response.json());
    codes[what] = said === null ? 'done' : said.type.replace('urn:flexbso:problem:', '');
  }
  return codes;
}
