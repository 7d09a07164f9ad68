import type { CardStep, DesiredCardLeg, DesiredVolume, ObservedVolume } from '@flexbso/contracts';
import { applyCardStep, undoCardStep } from '@flexbso/stack';
import type { CardDataPlane, CardSecrets, CardStepContext } from '../card-data-plane.js';
import { codeOf } from './refusals.js';

/** What a driver's author gives, made anew for each test. */
export interface CardFixture {
  readonly dataPlane: CardDataPlane;
  readonly secrets: CardSecrets;
  /** Makes a leg that reads as zeros, ready for this card to open. */
  makeLeg(legId: string, sizeBytes: number): Promise<DesiredCardLeg>;
  /** Puts bytes that are not zeros onto a leg, behind the data plane's back. */
  scribble(legId: string): Promise<void>;
  /** Lets go of `dataPlane` as an agent's death does, and gives a new one of the same card. */
  restart(): Promise<CardDataPlane>;
  /** Reads and writes, with a flush after each write, as the guest of an exported volume; null where the driver moves no bytes. */
  readonly guest: {
    write(volumeId: string, offset: number, bytes: Buffer): Promise<void>;
    read(volumeId: string, offset: number, length: number): Promise<Buffer>;
  } | null;
  /** Reads all of an exported volume, as its guest. */
  readAll(volumeId: string): Promise<void>;
  /** Ends the data plane of a volume without a word, as a crash does. */
  kill(volumeId: string): Promise<void>;
  /** Ends the data plane of a volume as a machine that shuts down does: it may bring to an end what it is about. */
  end(volumeId: string): Promise<void>;
  /** Ends everything that the test started. */
  dispose(): Promise<void>;
}

export const MIB = 1024 * 1024;
export const volumeId = 'vol-conform001';
export const sizeBytes = 8 * MIB;
export const copyBytesPerSecond = 256 * MIB;
export const keyRef = 'key-conform001';
export const [oldLegId, newLegId, thirdLegId] = ['leg-conform001', 'leg-conform002', 'leg-conform003'];
export const qos = { iopsTotal: 5000, bytesPerSecondTotal: 64 * MIB };

export const openLeg = (stackGeneration: number, legId: string, bytes = sizeBytes): CardStep => ({
  kind: 'open-leg',
  stackGeneration,
  legId,
  epoch: 1,
  sizeBytes: bytes,
});
export const exportStep = { kind: 'export-volume', protocol: 'nbd', functionId: 'fn-1' } as const;
export const creation: CardStep[] = [
  { kind: 'start-data-plane' },
  openLeg(1, oldLegId),
  { kind: 'build-head', stackGeneration: 1, sizeBytes, qos },
  exportStep,
];
export const copyStep: CardStep = {
  kind: 'copy',
  fromStackGeneration: 1,
  toStackGeneration: 2,
  bytes: sizeBytes,
  copyBytesPerSecond,
};
export const cutOverStep: CardStep = { kind: 'cut-over', fromStackGeneration: 1, toStackGeneration: 2 };
export const widenStep: CardStep = { kind: 'widen-limits', from: qos, copyBytesPerSecond };
export const plainSwap: CardStep[] = [
  openLeg(2, newLegId),
  widenStep,
  copyStep,
  cutOverStep,
  { kind: 'restore-limits', to: qos },
  { kind: 'close-stack', stackGeneration: 1, legIds: [oldLegId], keyRef: null },
];
export const format: CardStep = { kind: 'format-encryption', stackGeneration: 2, keyRef, legIds: [newLegId] };
export const openEncryption: CardStep = { kind: 'open-encryption', stackGeneration: 2, keyRef };

/** The same swap onto a leg of twice the size, and the volume grown to it. */
export const growingSwap: CardStep[] = [
  openLeg(2, newLegId, 2 * sizeBytes),
  { kind: 'build-window', stackGeneration: 2, sizeBytes },
  ...plainSwap.slice(1, 5),
  { kind: 'grow-head', fromSizeBytes: sizeBytes, sizeBytes: 2 * sizeBytes, endsWindow: true },
  ...plainSwap.slice(5),
];

/** What was observed after each step, beside what the model says. */
export interface Walk {
  readonly seen: readonly { readonly after: string; readonly observed: ObservedVolume }[];
  readonly modelled: readonly { readonly after: string; readonly observed: ObservedVolume }[];
}

/** One volume on a card, made anew for each test. */
export class CardUnderTest {
  readonly fixture: CardFixture;
  dataPlane: CardDataPlane;
  readonly #legs: DesiredCardLeg[] = [];

  constructor(fixture: CardFixture) {
    this.fixture = fixture;
    this.dataPlane = fixture.dataPlane;
  }

  async addLeg(legId: string, bytes = sizeBytes): Promise<void> {
    this.#legs.push(await this.fixture.makeLeg(legId, bytes));
  }

  get legs(): readonly DesiredCardLeg[] {
    return this.#legs;
  }

  async perform(...steps: readonly CardStep[]): Promise<void> {
    for (const step of steps) await this.dataPlane.perform(volumeId, step, this.#context());
  }

  async undo(...steps: readonly CardStep[]): Promise<void> {
    for (const step of steps) await this.dataPlane.undo(volumeId, step, this.#context());
  }

  async observe(): Promise<ObservedVolume> {
    return comparable(await this.dataPlane.observe(volumeId));
  }

  /** The code of the refusal; fails when it is done. */
  refusal(step: CardStep): Promise<string> {
    return codeOf(this.perform(step));
  }

  refusalOfUndo(step: CardStep): Promise<string> {
    return codeOf(this.undo(step));
  }

  /** Does each step twice. */
  walk(steps: readonly CardStep[]): Promise<Walk> {
    return this.#walk(steps, (step) => this.perform(step), applyCardStep);
  }

  /** Undoes each step twice, the last first. */
  walkBack(steps: readonly CardStep[]): Promise<Walk> {
    return this.#walk(steps.toReversed(), (step) => this.undo(step), undoCardStep);
  }

  /** Whether the guest can be told of a new size; else growing is refused. */
  async canGrow(): Promise<boolean> {
    const { has } = (await this.dataPlane.discover()).capabilities;
    return has.some(({ name }) => name === 'live-grow');
  }

  /** Size of a leg that carries the volume beneath an encryption header. */
  async encryptedLegBytes(): Promise<number> {
    const { has } = (await this.dataPlane.discover()).capabilities;
    const encryption = has.find((capability) => capability.name === 'encryption');
    return sizeBytes + Number(encryption?.limits['headerBytes'] ?? 0);
  }

  async #walk(
    steps: readonly CardStep[],
    act: (step: CardStep) => Promise<void>,
    model: (observed: ObservedVolume, step: CardStep) => ObservedVolume,
  ): Promise<Walk> {
    const [seen, modelled]: [Walk['seen'][number][], Walk['modelled'][number][]] = [[], []];
    let expected = await this.observe();
    for (const step of steps) {
      expected = comparable(model(expected, step));
      for (const after of [step.kind, `${step.kind}, again`]) {
        await act(step);
        seen.push({ after, observed: await this.observe() });
        modelled.push({ after, observed: expected });
      }
    }
    return { seen, modelled };
  }

  #context(): CardStepContext {
    return {
      desired: desiredOf(this.#legs),
      secrets: this.fixture.secrets,
      onProgress: () => undefined,
      signal: new AbortController().signal,
    };
  }
}

/** Where an export is found and how far a finished copy counted belong to the driver. */
function comparable(observed: ObservedVolume): ObservedVolume {
  const copy = observed.copy === null ? null : { ...observed.copy, doneBytes: 0, totalBytes: 0 };
  return { ...observed, copy, exports: observed.exports.map((shown) => ({ ...shown, uri: '' })) };
}

/** A desired volume with these legs; only the stack matters to a step, whatever its generation. */
function desiredOf(legs: readonly DesiredCardLeg[]): DesiredVolume {
  return {
    volumeId,
    revision: 1,
    generation: 1,
    operationId: 'op-conform001',
    changeId: 'chg-conform001',
    origin: 'person',
    tombstone: false,
    sizeBytes,
    qos,
    export: { protocol: 'nbd', functionId: 'fn-1' },
    stack: { stackGeneration: 1, layers: [], encryptionKey: null, legs: [...legs] },
    copyBytesPerSecond,
    plan: { digest: '0'.repeat(64), cutOver: false, destroys: [] },
    trace: {},
  };
}
