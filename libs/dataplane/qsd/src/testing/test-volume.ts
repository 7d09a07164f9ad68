import type { CardStep, DesiredCardLeg, DesiredVolume, QosLimits } from '@flexbso/contracts';
import type { CardStepContext } from '@flexbso/dataplane-port';
import { LUKS_HEADER_BYTES } from '../luks/header.js';
import type { QsdSite } from './qsd-site.js';

export const MIB = 1024 * 1024;
export const testKeyRef = 'key-0123456789';

/** One volume of a site, and the legs that its steps may name. */
export class TestVolume {
  readonly volumeId = 'vol-0123456789';
  readonly site: QsdSite;
  readonly sizeBytes: number;
  readonly legs: DesiredCardLeg[] = [];

  constructor(site: QsdSite, sizeBytes: number) {
    this.site = site;
    this.sizeBytes = sizeBytes;
  }

  async addLeg(
    reach: 'host' | 'network',
    legId: string,
    isEncrypted = false,
    sizeBytes = this.sizeBytes,
  ): Promise<DesiredCardLeg> {
    const leg = await this.site.makeLeg(reach, legId, sizeBytes + (isEncrypted ? LUKS_HEADER_BYTES : 0));
    this.legs.push(leg);
    return leg;
  }

  context(difference: Partial<CardStepContext> = {}): CardStepContext {
    return {
      desired: this.#desired(),
      secrets: this.site.secrets,
      onProgress: () => undefined,
      signal: new AbortController().signal,
      ...difference,
    };
  }

  async perform(...steps: readonly CardStep[]): Promise<void> {
    for (const step of steps) await this.site.card.perform(this.volumeId, step, this.context());
  }

  observe() {
    return this.site.card.observe(this.volumeId);
  }

  /** The steps of opening a leg's stack, up to where a head or a copy stands on it. */
  build(stackGeneration: number, leg: DesiredCardLeg, format = true): CardStep[] {
    const open: CardStep = {
      kind: 'open-leg',
      stackGeneration,
      legId: leg.legId,
      epoch: leg.epoch,
      sizeBytes: leg.sizeBytes,
    };
    // Volumes are whole MiB, and a header is not.
    if (leg.sizeBytes % MIB === 0) return [open];
    const formatting: CardStep[] = format
      ? [{ kind: 'format-encryption', stackGeneration, keyRef: testKeyRef, legIds: [leg.legId] }]
      : [];
    const whole = leg.sizeBytes - LUKS_HEADER_BYTES;
    return [open, ...formatting, { kind: 'open-encryption', stackGeneration, keyRef: testKeyRef, sizeBytes: whole }];
  }

  create(leg: DesiredCardLeg, protocol: 'nbd' | 'virtio-blk' = 'nbd', qos: QosLimits | null = null): CardStep[] {
    return [
      { kind: 'start-data-plane' },
      ...this.build(1, leg),
      { kind: 'build-head', stackGeneration: 1, sizeBytes: this.sizeBytes, qos },
      { kind: 'export-volume', protocol, functionId: 'fn-1' },
    ];
  }

  copy(toStackGeneration: number, copyBytesPerSecond: number): CardStep {
    return {
      kind: 'copy',
      fromStackGeneration: toStackGeneration - 1,
      toStackGeneration,
      bytes: this.sizeBytes,
      copyBytesPerSecond,
    };
  }

  cutOver(toStackGeneration: number): CardStep {
    return { kind: 'cut-over', fromStackGeneration: toStackGeneration - 1, toStackGeneration };
  }

  retire(stackGeneration: number, leg: DesiredCardLeg): CardStep {
    return { kind: 'close-stack', stackGeneration, legIds: [leg.legId], keyRef: null };
  }

  swap(
    toStackGeneration: number,
    from: DesiredCardLeg,
    to: DesiredCardLeg,
    copyBytesPerSecond = 256 * MIB,
  ): CardStep[] {
    return [
      ...this.build(toStackGeneration, to),
      this.copy(toStackGeneration, copyBytesPerSecond),
      this.cutOver(toStackGeneration),
      this.retire(toStackGeneration - 1, from),
    ];
  }

  #desired(): DesiredVolume {
    return {
      volumeId: this.volumeId,
      revision: 1,
      generation: 1,
      operationId: 'op-0123456789',
      changeId: 'chg-0123456789',
      origin: 'person',
      tombstone: false,
      sizeBytes: this.sizeBytes,
      qos: null,
      export: { protocol: 'nbd', functionId: 'fn-1' },
      stack: { stackGeneration: 1, layers: [], encryptionKey: null, legs: [...this.legs] },
      copyBytesPerSecond: 256 * MIB,
      plan: { digest: '0'.repeat(64), cutOver: false, destroys: [] },
      trace: {},
    };
  }
}
