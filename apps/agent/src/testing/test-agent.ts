import type { Identity } from '../agent.js';
import type { AgentLog } from '../ports/log.js';
import type { Sealer } from '../ports/sealer.js';

const publicKey = `X${'A'.repeat(55)}`;

/** Seals nothing: the text is the secret. */
export const openSealer: Sealer = {
  publicKey,
  open: ({ sealed }) => Buffer.from(sealed, 'base64'),
  seal: (plain) => ({ from: publicKey, sealed: Buffer.from(plain).toString('base64') }),
};

export const silent: AgentLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Who an agent of a spec says that it is, whatever its role. */
export const testIdentity: Identity = {
  serial: 'serial-1',
  model: 'test',
  agentVersion: '0',
  hostId: 'host-1',
  failureDomain: { host: 'host-1', rack: 'rack-1' },
  labels: {},
  sealingKey: publicKey,
};
