import { principalName, type Principal } from '../principal.js';
import { permissionsOf } from './permissions.js';

/** A user of the bus: who, and the public half of its nkey. */
export interface BusUser {
  readonly principal: Principal;
  readonly publicKey: string;
}

export interface NatsServerConfig {
  /** -1: a free port, which the server writes into `portsFileDir`. */
  readonly port: number;
  /** Loopback when left out. */
  readonly host?: string;
  /** JetStream's folder. */
  readonly storeDir: string;
  readonly users: readonly BusUser[];
  /** Monitoring over HTTP, on loopback only; none when left out. */
  readonly monitoringPort?: number;
  readonly portsFileDir?: string;
  readonly serverName?: string;
}

/** 1 MB: the server's own default, said explicitly since MAX_MESSAGE_BYTES relies on it. */
const MAX_PAYLOAD_BYTES = 1024 * 1024;

/**
 * Renders a nats-server configuration: one account with JetStream, every user by nkey with its own permissions,
 * nobody without one. Holds public keys only.
 */
export function natsServerConfig(config: NatsServerConfig): string {
  const top = {
    server_name: config.serverName ?? 'flexbso',
    host: config.host ?? '127.0.0.1',
    port: config.port,
    ...(config.monitoringPort === undefined ? {} : { http: `127.0.0.1:${config.monitoringPort}` }),
    ...(config.portsFileDir === undefined ? {} : { ports_file_dir: config.portsFileDir }),
    max_payload: MAX_PAYLOAD_BYTES,
    // A client that takes nothing for ten seconds is cut off before it holds up the server's memory.
    write_deadline: '10s',
    jetstream: { store_dir: config.storeDir },
    // auth_timeout: long enough for a busy card; an unauthenticated connection holds a socket only.
    authorization: { timeout: 5 },
    accounts: { FLEXBSO: { jetstream: 'enabled', users: config.users.map(renderedUser) } },
  };
  // The server's format takes JSON; it needs no quoting rules of its own that way.
  return `${JSON.stringify(top, null, 2)}\n`;
}

function renderedUser({ principal, publicKey }: BusUser) {
  // A mistyped key would be a user that nobody can be; a seed here would publish the secret.
  if (!/^U[A-Z2-7]{55}$/.test(publicKey)) {
    throw new Error(`${principalName(principal)} has no public user nkey (U and 55 base32 characters)`);
  }
  const { publish, subscribe, responses } = permissionsOf(principal);
  return {
    nkey: publicKey,
    permissions: {
      publish: { allow: publish },
      subscribe: { allow: subscribe },
      ...(responses ? { allow_responses: responses } : {}),
    },
  };
}
