import type { Capability, Capabilities, Lacking } from '@flexbso/contracts';
import type { CardDiscovery } from '@flexbso/dataplane-port';
import type { QsdCardConfig } from '../config.js';
import { LUKS_HEADER_BYTES } from '../luks/header.js';
import { OVERLAY_LIMITS } from '../overlay/qcow2.js';
import { MIN_MIRROR_LEGS } from '../steps/redundancy-steps.js';
import { FIRST_MAJOR_WITH_RESIZE_NOTICE, probeDaemon, type ProbedDaemon } from '../daemon/probe.js';

/** Asks a daemon of the installed kind what it is and can do. */
export async function discoverCard(config: QsdCardConfig): Promise<CardDiscovery> {
  const probed = await probeDaemon(config, 'card');
  return {
    dataPlane: { name: 'qsd', version: probed.version },
    capabilities: cardCapabilities(probed),
    functions: config.functions,
    budget: config.budget,
  };
}

interface Probe {
  readonly name: Capability['name'];
  readonly isThere: boolean;
  readonly otherwise: string;
  readonly limits?: Capability['limits'];
}

/** What a daemon can do by what it answered. Each thing that is not there says what would help. */
export function cardCapabilities(probed: ProbedDaemon): Capabilities {
  const { version, major, names } = probed;
  const knows = (...wanted: string[]) => wanted.every((name) => names.has(name));
  const without = (what: string) => `qemu-storage-daemon ${version} has no ${what}: install a build that has it`;
  const probes: Probe[] = [
    {
      name: 'swap-live',
      isThere: knows('blockdev-mirror', 'write-blocking', 'job-complete', 'x-debug-query-block-graph'),
      otherwise: without('synchronous mirror'),
    },
    {
      name: 'live-grow',
      isThere: major >= FIRST_MAJOR_WITH_RESIZE_NOTICE && knows('block_resize'),
      otherwise: `qemu-storage-daemon ${version} does not tell a guest of its device's new size: install QEMU ${FIRST_MAJOR_WITH_RESIZE_NOTICE} or newer`,
      limits: { frontEnd: 'virtio-blk' },
    },
    { name: 'qos', isThere: knows('throttle', 'throttle-group'), otherwise: without('throttle filter') },
    {
      name: 'encryption',
      isThere: knows('luks', 'secret'),
      otherwise: without('LUKS driver'),
      limits: { headerBytes: LUKS_HEADER_BYTES },
    },
    { name: 'front-end.nbd', isThere: knows('nbd-server-start', 'block-export-add'), otherwise: without('NBD server') },
    { name: 'front-end.virtio-blk', isThere: knows('vhost-user-blk'), otherwise: without('vhost-user-blk export') },
    {
      name: 'raid1',
      isThere: knows('quorum'),
      otherwise: without('quorum driver'),
      // It forgets which leg missed a write: with three and a vote it need not remember.
      limits: { minLegCount: MIN_MIRROR_LEGS },
    },
    {
      name: 'safe-read',
      isThere: knows('quorum', 'copy-on-read'),
      otherwise: without('quorum driver with a filter that keeps reads and writes apart'),
    },
    {
      name: 'snapshot',
      isThere: knows('qcow2', 'throttle', 'blockdev-reopen', 'blockdev-mirror'),
      otherwise: without('qcow2 driver, or no way to put a node beneath another that is in use'),
      limits: OVERLAY_LIMITS,
    },
    { name: 'leg.file', isThere: knows('file'), otherwise: without('file driver') },
    { name: 'leg.nbd', isThere: knows('nbd', 'tls-creds-psk'), otherwise: without('NBD client with TLS-PSK') },
  ];
  return {
    has: probes.filter((probe) => probe.isThere).map(({ name, limits }) => ({ name, version, limits: limits ?? {} })),
    lacks: [
      ...probes.filter((probe) => !probe.isThere).map(({ name, otherwise }) => ({ name, reason: otherwise })),
      ...neverThere(version),
    ],
  };
}

/** What this data plane has in no version, or what must not be relied on although it is there. */
function neverThere(version: string): Lacking[] {
  const daemon = `qemu-storage-daemon ${version}`;
  return [
    { name: 'raid0', reason: `${daemon} has no striping driver: use a card with SPDK` },
    { name: 'raid5f', reason: `${daemon} has no parity driver: use a card with SPDK` },
    {
      name: 'compression',
      reason: `the compress filter of ${daemon} fails a cluster's second write: a pool that compresses does it instead, beneath all that the card does`,
    },
    { name: 'front-end.nvme', reason: `${daemon} has no NVMe front end: ask for virtio-blk` },
    { name: 'leg.nvme-tcp', reason: `${daemon} has no NVMe/TCP initiator: use pools that serve NBD` },
  ];
}
