import type { Layer, Protocol } from '@flexbso/contracts';

/**
 * Names of everything that a volume's daemon holds. They carry identity, so that a look at the
 * daemon tells what runs: nothing is remembered anywhere else. A node name holds at most 31 characters.
 */
export const HEAD = 'head';
export const COPY_FILTER = 'copy-filter';
/** Throttle group that the head obeys. */
export const LIMITS = 'limits';
/** There while a copy widens `limits`, from just before to just after: it limits nothing and keeps the tenant's own numbers. */
export const TENANT_LIMITS = 'limits-tenant';

/** Throttle group that the head obeys, instead of its limits, for the moments in which the guest's requests are held. */
export const HELD = 'held';

export type Raid1 = Extract<Layer, { kind: 'raid1' }>;

const MAX_NODE_NAME = 31;

function nodeName(name: string): string {
  if (name.length > MAX_NODE_NAME) throw new RangeError(`node name ${name} has more than ${MAX_NODE_NAME} characters`);
  return name;
}

export const stackPrefix = (stackGeneration: number): string => `s${stackGeneration}.`;
export const legNode = (stackGeneration: number, legId: string, epoch: number): string =>
  nodeName(`s${stackGeneration}.${legId}.${epoch}`);
/**
 * A leg's file, before its size is seen, and beneath a leg of which only the recorded bytes are shown: a growth that
 * stopped half-way has made it larger.
 */
export const legFileNode = (stackGeneration: number, legId: string, epoch: number): string =>
  nodeName(`f${stackGeneration}.${legId}.${epoch}`);
export const luksNode = (stackGeneration: number, keyRef: string): string =>
  nodeName(`s${stackGeneration}.luks.${keyRef}`);
/** A stack's mirror; its name carries what of the layer the daemon itself does not tell. */
export const raid1Node = (stackGeneration: number, { legCount, safeRead }: Raid1): string =>
  nodeName(`s${stackGeneration}.raid1.${legCount}${safeRead ? '-safe' : ''}`);
/** The vote beneath the filter of a mirror with safe reads: comes and goes with that, and is no layer of its own. */
export const voteNode = (stackGeneration: number): string => nodeName(`s${stackGeneration}.vote`);
/** A short-lived look whether a leg's header opens with a key; no layer of any stack. */
export const luksTrialNode = (stackGeneration: number, keyRef: string): string =>
  nodeName(`s${stackGeneration}.try.${keyRef}`);
/** All that an encryption layer holds, where that is more than the volume has: no layer, which is what is shown of it. */
export const wholeLuksNode = (stackGeneration: number, keyRef: string): string =>
  nodeName(`s${stackGeneration}.whole.${keyRef}`);
/** The uppermost node of a stack that is an overlay. */
export const overlayNode = (stackGeneration: number): string => nodeName(`s${stackGeneration}.overlay`);
/** Between an overlay and its base, and no layer of either: over it a base may be the target of a synchronous copy. */
export const baseNode = (stackGeneration: number, baseStackGeneration: number): string =>
  nodeName(`s${stackGeneration}.base.${baseStackGeneration}`);
/** Throttle group of those nodes, without any limit. */
export const BASES = 'bases';
/** Shows only the first bytes of a stack that the volume is to grow into; there until the guest was told of the new size. */
export const windowNode = (stackGeneration: number): string => nodeName(`s${stackGeneration}.window`);
export const pskObject = (stackGeneration: number, legId: string): string => `psk.s${stackGeneration}.${legId}`;
export const secretObject = (keyRef: string): string => `secret.${keyRef}`;
export const copyJob = (toStackGeneration: number): string => `copy-${toStackGeneration}`;
export const volumeExport = (protocol: Protocol, functionId: string): string => `${protocol}.${functionId}`;
export const formatExport = (legNodeName: string): string => `format.${legNodeName}`;

export type StackNode =
  | { readonly kind: 'overlay'; readonly stackGeneration: number }
  | { readonly kind: 'base'; readonly stackGeneration: number; readonly baseStackGeneration: number }
  | { readonly kind: 'window'; readonly stackGeneration: number }
  | { readonly kind: 'leg'; readonly stackGeneration: number; readonly legId: string; readonly epoch: number }
  | { readonly kind: 'leg-file'; readonly stackGeneration: number }
  | { readonly kind: 'luks'; readonly stackGeneration: number; readonly keyRef: string }
  | { readonly kind: 'raid1'; readonly stackGeneration: number; readonly layer: Raid1 }
  | { readonly kind: 'trial'; readonly stackGeneration: number }
  | { readonly kind: 'whole-luks'; readonly stackGeneration: number };

/** What a node is by its name; null when it belongs to no stack. */
export function parseStackNode(name: string): StackNode | null {
  const [, lone, kind] = /^s(\d+)\.(window|overlay)$/.exec(name) ?? [];
  if (kind === 'window' || kind === 'overlay') return { kind, stackGeneration: Number(lone) };
  const [, ofFile] = /^f(\d+)\.leg-[a-z0-9]{10}\.\d+$/.exec(name) ?? [];
  if (ofFile !== undefined) return { kind: 'leg-file', stackGeneration: Number(ofFile) };
  const [, generation, middle, last] = /^s(\d+)\.(leg-[a-z0-9]{10}|luks|raid1|try|whole|base)\.(.+)$/.exec(name) ?? [];
  if (generation === undefined || middle === undefined || last === undefined) return null;
  const stackGeneration = Number(generation);
  if (middle === 'try') return { kind: 'trial', stackGeneration };
  if (middle === 'whole') return { kind: 'whole-luks', stackGeneration };
  if (middle === 'luks') return { kind: 'luks', stackGeneration, keyRef: last };
  if (middle === 'raid1') return parseRaid1(stackGeneration, last);
  if (middle === 'base') return { kind: 'base', stackGeneration, baseStackGeneration: Number(last) };
  return /^\d+$/.test(last) ? { kind: 'leg', stackGeneration, legId: middle, epoch: Number(last) } : null;
}

function parseRaid1(stackGeneration: number, name: string): StackNode | null {
  const [, legCount, safe] = /^(\d+)(-safe)?$/.exec(name) ?? [];
  if (legCount === undefined) return null;
  const layer: Raid1 = { kind: 'raid1', legCount: Number(legCount), safeRead: safe !== undefined };
  return { kind: 'raid1', stackGeneration, layer };
}

export function parseCopyJob(id: string): number | null {
  const [, generation] = /^copy-(\d+)$/.exec(id) ?? [];
  return generation === undefined ? null : Number(generation);
}

export function parseVolumeExport(id: string): { protocol: 'nbd' | 'virtio-blk'; functionId: string } | null {
  const [, protocol, functionId] = /^(nbd|virtio-blk)\.(.+)$/.exec(id) ?? [];
  if (functionId === undefined || (protocol !== 'nbd' && protocol !== 'virtio-blk')) return null;
  return { protocol, functionId };
}
