import { describe, expect, it } from 'vitest';
import { createIdentity } from '../identity/keys.js';
import type { Principal } from '../principal.js';
import { permissionsOf } from './permissions.js';
import { natsServerConfig } from './server-config.js';

const services = ['inventory', 'scheduler', 'telemetry', 'gateway'] as const;

const whoMayPublish = (prefix: string) =>
  services.filter((name) => permissionsOf({ kind: 'service', name }).publish.some((one) => one.startsWith(prefix)));

describe('what users of the bus may do', () => {
  it('gives an agent its own subjects, one answer to each question, and nothing else', () => {
    expect(permissionsOf({ kind: 'card', id: 'card-1' })).toEqual({
      publish: ['bso.card.card-1.up.>'],
      subscribe: ['bso.card.card-1.down.>', '_INBOX.card.card-1.>'],
      responses: { max: 1, expires: '30s' },
    });
    expect(permissionsOf({ kind: 'pool', id: 'pool-1' })).toEqual({
      publish: ['bso.pool.pool-1.up.>'],
      subscribe: ['bso.pool.pool-1.down.>', '_INBOX.pool.pool-1.>'],
      responses: { max: 1, expires: '30s' },
    });
  });

  it.each(services)('lets %s hear its own replies and nobody else’s', (name) => {
    const { subscribe } = permissionsOf({ kind: 'service', name });
    expect(subscribe.filter((subject) => subject.startsWith('_INBOX'))).toEqual([`_INBOX.service.${name}.>`]);
  });

  it.each(services)('lets %s touch no more of JetStream than named streams', (name) => {
    const { publish } = permissionsOf({ kind: 'service', name });
    const api = publish.filter((subject) => subject.startsWith('$JS.API'));
    expect(api.filter((subject) => !/\.(?:BSO_EVENTS|KV_cards|KV_pools)(?:\.|$)/.test(subject))).toEqual([]);
    expect(api.filter((subject) => subject.includes('STREAM.DELETE') || subject.includes('STREAM.PURGE'))).toEqual([]);
  });

  it('lets inventory alone write snapshots, and the scheduler alone speak to agents unasked', () => {
    expect(whoMayPublish('$KV.')).toEqual(['inventory']);
    expect(whoMayPublish('bso.card.')).toEqual(['scheduler']);
    expect(whoMayPublish('bso.rpc.')).toEqual(['scheduler', 'telemetry', 'gateway']);
    expect(whoMayPublish('bso.evt.')).toEqual(['inventory', 'scheduler']);
  });
});

describe('whoever answers agents', () => {
  it.each(['scheduler', 'telemetry'] as const)(
    'lets %s tell inventory of a quarantine, and ask nothing else',
    (name) => {
      const { publish } = permissionsOf({ kind: 'service', name });
      expect(publish.filter((subject) => subject.startsWith('bso.rpc.'))).toEqual([
        'bso.rpc.inventory.quarantine-agent',
      ]);
    },
  );

  it.each(services)('lets %s hear nothing that it does not handle', (name) => {
    const { subscribe } = permissionsOf({ kind: 'service', name });
    expect(subscribe.filter((subject) => subject.startsWith('$'))).toEqual([]);
  });
});

describe('the configuration of nats-server', () => {
  const principal: Principal = { kind: 'card', id: 'card-1' };

  it('names each user by its public key with its permissions, on loopback', () => {
    const { publicKey } = createIdentity();
    const text = natsServerConfig({ port: -1, storeDir: '/var/lib/x', users: [{ principal, publicKey }] });
    expect(JSON.parse(text)).toMatchObject({
      host: '127.0.0.1',
      port: -1,
      max_payload: 1048576,
      jetstream: { store_dir: '/var/lib/x' },
      accounts: {
        FLEXBSO: {
          users: [
            {
              nkey: publicKey,
              permissions: { publish: { allow: ['bso.card.card-1.up.>'] }, allow_responses: { max: 1 } },
            },
          ],
        },
      },
    });
    expect(text).not.toContain('no_auth_user');
  });

  it('refuses a seed in the place of a public key, and does not repeat it', () => {
    const { seed } = createIdentity();
    const render = () => natsServerConfig({ port: 4222, storeDir: '/x', users: [{ principal, publicKey: seed }] });
    expect(render).toThrow('card-card-1');
    expect(render).not.toThrow(seed);
  });
});
