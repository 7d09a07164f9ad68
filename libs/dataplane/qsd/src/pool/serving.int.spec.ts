import type { PoolStep } from '@flexbso/contracts';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { desiredLeg, installedQemus, type QsdSite, setupQemu } from '../testing/qsd-site.js';
import { QsdPoolDataPlane } from './qsd-pool-data-plane.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const legId = 'leg-000000000a';
const sizeBytes = 16 * MIB;

function serve(site: QsdSite): Promise<void> {
  const step: PoolStep = { kind: 'serve-leg', legId, epoch: 1, holderCardId: 'card-1' };
  return site.networkPool.perform(step, {
    desired: desiredLeg(legId, sizeBytes),
    signal: new AbortController().signal,
  });
}

/** Takes a port of this machine as some other process would. */
async function taken(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}

test('a leg whose port was taken while its daemon was dead is served at no other, and at its own again once that is free', async () => {
  const site = await makeSite(setupQemu());
  await site.makeLeg('network', legId, sizeBytes);
  const before = await site.networkPool.served(legId);
  const port = before?.address.kind === 'nbd' ? before.address.port : Number.NaN;
  await site.killLegServer(legId);
  const other = await taken(port);
  await expect(serve(site)).rejects.toMatchObject({
    retryable: true,
    problem: {
      code: 'data-plane-failed',
      detail: expect.stringContaining(`port ${port} of ${legId} is taken by another process`),
    },
  });
  expect(await site.networkPool.served(legId)).toBeNull();
  await new Promise((resolve) => other.close(resolve));
  await serve(site);
  expect(await site.networkPool.served(legId)).toEqual(before);
});

test('a key that is made anew, since the old one was lost, has another name', async () => {
  const site = await makeSite(setupQemu());
  await site.makeLeg('network', legId, sizeBytes);
  const before = await site.networkPool.served(legId);
  await site.killLegServer(legId);
  await rm(join(site.networkPoolOptions.directory, 'keys'), { recursive: true });
  await serve(site);
  const after = await site.networkPool.served(legId);
  expect(after?.address).toEqual(before?.address);
  expect(after?.access?.key).not.toEqual(before?.access?.key);
  expect(after?.access?.identity).not.toBe(before?.access?.identity);
});

for (const qemu of installedQemus()) {
  test(`${qemu.name}: a card tells where a remote leg was opened, and with which key`, async () => {
    const site = await makeSite(qemu);
    const volume = new TestVolume(site, sizeBytes);
    const leg = await volume.addLeg('network', legId);
    await volume.perform(...volume.create(leg));
    const identity = (await site.networkPool.served(legId))?.access?.identity;
    const opened = [{ legId, epoch: 1, address: leg.address, identity }];
    expect(await site.card.openLegs(volume.volumeId)).toEqual(opened);
  });
}

test('what an agent left of a record that it died in writing is gone once the next one looks, and nothing else', async () => {
  const site = await makeSite(setupQemu());
  await site.makeLeg('host', legId, sizeBytes);
  const { directory } = site.hostPoolOptions;
  const before = await readdir(directory);
  for (const name of [`${legId}.json.new`, 'leg-000000000b.json.new', 'notes.json.new'])
    await writeFile(join(directory, name), '{"v":1,');
  const next = new QsdPoolDataPlane(site.hostPoolOptions);
  expect(await next.list()).toMatchObject([{ legId, sizeBytes }]);
  expect((await readdir(directory)).toSorted()).toEqual([...before, 'notes.json.new'].toSorted());
  await next.close();
});
