import { expect, test } from 'vitest';
import { addressOf } from './open-legs.js';

test('a path is the address of a leg in a file, and an NBD address that of a served one', () => {
  expect(addressOf('/srv/pool/leg-000000000a.raw')).toEqual({ kind: 'file', path: '/srv/pool/leg-000000000a.raw' });
  const served = { kind: 'nbd', port: 20900, exportName: 'leg-000000000a.1' };
  expect(addressOf('nbd://10.0.0.7:20900/leg-000000000a.1')).toEqual({ ...served, host: '10.0.0.7' });
  expect(addressOf('nbd://fd00::7:20900/leg-000000000a.1')).toEqual({ ...served, host: 'fd00::7' });
});

test('a place that no desired state could name is no address', () => {
  expect(addressOf('json:{"driver": "nbd"}')).toBeNull();
  expect(addressOf('')).toBeNull();
});
