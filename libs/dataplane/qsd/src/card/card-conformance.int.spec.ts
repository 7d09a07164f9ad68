import { CONFORMANCE_VOLUME_BYTES, cardDataPlaneConformance } from '@flexbso/dataplane-port/conformance';
import { installedQemus, QsdSite, type Qemu } from '../testing/qsd-site.js';

for (const qemu of installedQemus()) {
  cardDataPlaneConformance(`${qemu.name} over files`, () => fixtureOf(qemu, 'host'));
}
for (const qemu of installedQemus().slice(0, 1)) {
  cardDataPlaneConformance(`${qemu.name} over NBD with TLS`, () => fixtureOf(qemu, 'network'));
}

async function fixtureOf(qemu: Qemu, reach: 'host' | 'network') {
  const site = await QsdSite.make(qemu);
  return {
    dataPlane: site.card,
    secrets: site.secrets,
    guest: site.guest,
    makeLeg: (legId: string, sizeBytes: number) => site.makeLeg(reach, legId, sizeBytes),
    scribble: (legId: string) => site.scribble(legId),
    restart: () => site.restartCard(),
    readAll: async (volumeId: string) => {
      await site.guest.read(volumeId, 0, CONFORMANCE_VOLUME_BYTES);
    },
    kill: (volumeId: string) => site.killVolume(volumeId),
    end: (volumeId: string) => site.killVolume(volumeId, 'SIGTERM'),
    dispose: () => site.dispose(),
  };
}
