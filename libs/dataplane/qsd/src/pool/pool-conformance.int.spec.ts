import { POOL_CAPACITY_BYTES, poolDataPlaneConformance } from '@flexbso/dataplane-port/conformance';
import { installedQemus, QsdSite, type Qemu } from '../testing/qsd-site.js';
import { QsdPoolDataPlane } from './qsd-pool-data-plane.js';

for (const qemu of installedQemus()) {
  poolDataPlaneConformance(`${qemu.name} over the network`, () => fixtureOf(qemu, 'network'));
}
for (const qemu of installedQemus().slice(0, 1)) {
  poolDataPlaneConformance(`${qemu.name} within its host`, () => fixtureOf(qemu, 'host'));
}

async function fixtureOf(qemu: Qemu, reach: 'host' | 'network') {
  const site = await QsdSite.make(qemu, { poolCapacityBytes: POOL_CAPACITY_BYTES });
  const [dataPlane, options] =
    reach === 'host' ? [site.hostPool, site.hostPoolOptions] : [site.networkPool, site.networkPoolOptions];
  return {
    dataPlane,
    restart: () => Promise.resolve(new QsdPoolDataPlane(options)),
    dispose: () => site.dispose(),
  };
}
