import { rpc } from '@flexbso/contracts';
import type { Bus } from './connection.js';
import { foreignReply, type Quarantine } from './reply-guard.js';
import { RpcClient } from './rpc/client.js';

export interface QuarantineTellerOptions {
  readonly by: 'scheduler' | 'telemetry';
  /** It stays unwritten then; the agent's next attempt tells it again. */
  readonly onFailed: (quarantine: Quarantine, error: unknown) => void;
}

/** Inventory answers in milliseconds; nobody waits for this one. */
const timeoutMs = 5_000;

/**
 * Tells inventory of agents that asked for their answer to go elsewhere: for `onQuarantine` of a service's server. One
 * request at a time for each agent, so that one that floods us makes us flood nobody.
 */
export function quarantineTeller(bus: Bus, { by, onFailed }: QuarantineTellerOptions): (found: Quarantine) => void {
  const client = new RpcClient(bus);
  const telling = new Set<string>();
  const verb = 'quarantine-agent';
  return (found) => {
    const { role, id, replySubject } = found;
    const key = `${role}/${id}`;
    if (telling.has(key)) return;
    telling.add(key);
    client
      .call(
        'inventory',
        verb,
        rpc.inventory[verb],
        { v: 1, by, role, id, reason: foreignReply(replySubject) },
        { timeoutMs },
      )
      .catch((error: unknown) => onFailed(found, error))
      .finally(() => telling.delete(key));
  };
}
