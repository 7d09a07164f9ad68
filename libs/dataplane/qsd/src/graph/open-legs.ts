import type { LegAddress } from '@flexbso/contracts';
import type { OpenLeg } from '@flexbso/dataplane-port';
import { isAbsolute } from 'node:path';
import type { QmpClient } from '../qmp/qmp-client.js';
import { usernameReply } from '../qmp/replies.js';
import { type Graph, STAND_IN_DRIVER } from './graph.js';
import { parseStackNode, pskObject } from './node-names.js';

/** Every leg that a daemon has open, with the place and the key that it was opened with. */
export async function openLegsOf(qmp: QmpClient, { nodes, objects }: Graph): Promise<OpenLeg[]> {
  const legs: OpenLeg[] = [];
  for (const [name, { file, driver }] of nodes) {
    const node = parseStackNode(name);
    if (node?.kind !== 'leg' || driver === STAND_IN_DRIVER) continue;
    const { legId, epoch } = node;
    const credentials = pskObject(node.stackGeneration, legId);
    const identity = objects.includes(credentials)
      ? await qmp.execute('qom-get', { path: `/objects/${credentials}`, property: 'username' }, usernameReply)
      : null;
    legs.push({ legId, epoch, address: addressOf(file), identity });
  }
  return legs;
}

/** A node's file as the daemon shows it: a path, or `nbd://host:port/export` whether with TLS or without. */
export function addressOf(file: string): LegAddress | null {
  if (isAbsolute(file)) return { kind: 'file', path: file };
  const [, host, port, exportName] = /^nbd:\/\/(.+):(\d+)\/([^/]+)$/.exec(file) ?? [];
  if (host === undefined || port === undefined || exportName === undefined) return null;
  return { kind: 'nbd', host, port: Number(port), exportName };
}
