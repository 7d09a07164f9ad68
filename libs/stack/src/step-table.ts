import type { CardStep, CardStepKind, PoolStep, PoolStepKind, QosLimits } from '@flexbso/contracts';
import type { CardStepOf, PoolStepOf } from './steps.js';

/** What is known of a kind of step beyond its arguments. The one place that says so. */
export interface StepRow<S> {
  /** What undoes it before the cut-over; null: nothing to undo, or it is only ever completed. */
  readonly undo: string | null;
  /** What the step makes unrecoverable, like `leg leg-0123456789`. */
  readonly destroys: (step: S) => string[];
  /** What it does, for a person; one clause without a full stop. */
  readonly describe: (step: S) => string;
  /** How long it usually takes, in ms; from qsd.md's measurements on two busy cores, rounded up. */
  readonly expectedMs: (step: S) => number;
  /** After how long it is flagged as overdue, in ms. Nothing is stopped by it. */
  readonly overdueAfterMs: (step: S) => number;
}

/**
 * Quick steps answer in some ten ms; ten seconds is where a person should look. Steps that start a
 * process or reach a remote pool may wait for a reconnect (about 30 s) before they are late.
 */
const QUICK = { expectedMs: () => 50, overdueAfterMs: () => 10_000 };
const STARTS = { expectedMs: () => 250, overdueAfterMs: () => 30_000 };
const REMOTE = { expectedMs: () => 100, overdueAfterMs: () => 45_000 };
const nothing = () => [];
const copyMs = (step: { bytes: number; copyBytesPerSecond: number }) =>
  Math.ceil((step.bytes / step.copyBytesPerSecond) * 1000);

type CardTable = { readonly [K in CardStepKind]: StepRow<CardStepOf<K>> };
export const cardStepTable: CardTable = {
  'start-data-plane': {
    undo: 'stop-data-plane',
    destroys: nothing,
    describe: () => "start the volume's data plane",
    ...STARTS,
  },
  'open-leg': {
    undo: 'close-leg',
    destroys: nothing,
    describe: (step) =>
      `open ${step.legId} (epoch ${step.epoch}, ${bytes(step.sizeBytes)}) for stack ${step.stackGeneration}`,
    ...REMOTE,
  },
  // No undo: the header lies on fresh legs, which go with the undone change.
  'format-encryption': {
    undo: null,
    destroys: nothing,
    describe: (step) =>
      `write the encryption header of ${step.keyRef} onto ${step.legIds.join(', ')}, which must read as zeros`,
    ...STARTS,
  },
  'open-encryption': {
    undo: 'close-encryption',
    destroys: nothing,
    describe: (step) => `open the encryption layer with ${step.keyRef}`,
    ...REMOTE,
  },
  'build-redundancy': {
    undo: 'remove-redundancy',
    destroys: nothing,
    describe: (step) => `build ${step.layer.kind} over ${step.legIds.join(', ')}`,
    ...QUICK,
  },
  'build-compression': {
    undo: 'remove-compression',
    destroys: nothing,
    describe: () => 'build the compression layer',
    ...QUICK,
  },
  'build-window': {
    undo: 'remove-window',
    destroys: nothing,
    describe: (step) =>
      `show the first ${bytes(step.sizeBytes)} of stack ${step.stackGeneration} only, until the volume has grown`,
    ...QUICK,
  },
  // No undo: the tables lie on fresh legs, which go with the undone change.
  'format-overlay': {
    undo: null,
    destroys: nothing,
    describe: (step) =>
      `make ${step.legIds.join(', ')} an empty overlay of ${bytes(step.sizeBytes)}, which must read as zeros`,
    ...STARTS,
  },
  'build-overlay': {
    undo: 'remove-overlay',
    destroys: nothing,
    describe: (step) => `open stack ${step.stackGeneration} as an overlay on stack ${step.baseStackGeneration}`,
    ...QUICK,
  },
  'build-head': {
    undo: 'remove-head',
    destroys: nothing,
    describe: (step) =>
      `put the head (${bytes(step.sizeBytes)}, ${limitsText(step.qos)}) on stack ${step.stackGeneration}`,
    ...QUICK,
  },
  'export-volume': {
    undo: 'unexport-volume',
    destroys: nothing,
    describe: (step) => `show it as ${step.protocol} on function ${step.functionId}`,
    ...QUICK,
  },
  'set-limits': {
    undo: 'set-limits',
    destroys: nothing,
    describe: (step) => `set limits: ${limitsText(step.to)} (were: ${limitsText(step.from)})`,
    ...QUICK,
  },
  'widen-limits': {
    undo: 'restore-limits',
    destroys: nothing,
    describe: (step) =>
      `widen limits by the copy's ${bytes(step.copyBytesPerSecond)}/s, so that the guest keeps its share`,
    ...QUICK,
  },
  'restore-limits': {
    undo: null,
    destroys: nothing,
    describe: (step) => `end the widening; limits: ${limitsText(step.to)}`,
    ...QUICK,
  },
  copy: {
    undo: 'cancel-copy',
    // What the base held alone is written over; until the cut-over the overlay hides that from the guest.
    destroys: (step) => (step.commits ? [`state of stack ${step.toStackGeneration}`] : []),
    describe: (step) =>
      step.commits
        ? `write what stack ${step.fromStackGeneration} holds into stack ${step.toStackGeneration} beneath it, at up to ${bytes(step.copyBytesPerSecond)}/s, and keep both the same`
        : `copy ${bytes(step.bytes)} from stack ${step.fromStackGeneration} to ${step.toStackGeneration} at up to ${bytes(step.copyBytesPerSecond)}/s and keep both the same`,
    expectedMs: copyMs,
    // Eight times the planned duration: a copy that gives way to its guest goes on at a quarter of its rate, and a guest
    // that writes everywhere has it copy everything once more.
    overdueAfterMs: (step) => 60_000 + 8 * copyMs(step),
  },
  'cut-over': {
    undo: null,
    destroys: nothing,
    describe: (step) =>
      step.onto === 'overlay'
        ? `cut over: the guest writes to stack ${step.toStackGeneration} alone, and stack ${step.fromStackGeneration} beneath it stays as it is`
        : `cut over: the guest is carried by stack ${step.toStackGeneration} instead of ${step.fromStackGeneration}`,
    ...QUICK,
  },
  // A data plane cannot shrink safely, so growing is only ever completed.
  'grow-head': {
    undo: null,
    destroys: nothing,
    describe: (step) =>
      `grow the volume from ${bytes(step.fromSizeBytes)} to ${bytes(step.sizeBytes)}${step.endsWindow ? ', all of its stack' : ''}`,
    ...QUICK,
  },
  'unexport-volume': {
    undo: null,
    destroys: nothing,
    describe: (step) => `take ${step.protocol} off function ${step.functionId}`,
    ...QUICK,
  },
  'close-stack': {
    undo: null,
    destroys: nothing,
    describe: (step) => `close stack ${step.stackGeneration} (${step.legIds.join(', ') || 'no leg open'})`,
    ...QUICK,
  },
  'stop-data-plane': {
    undo: null,
    destroys: nothing,
    describe: (step) =>
      `stop the volume's data plane with its head and all beneath${step.evenIfAttached ? ', and cut off whoever is attached: its legs are fenced' : ''}`,
    ...STARTS,
  },
};

type PoolTable = { readonly [K in PoolStepKind]: StepRow<PoolStepOf<K>> };
export const poolStepTable: PoolTable = {
  'create-leg': {
    undo: 'delete-leg',
    destroys: nothing,
    describe: (step) =>
      `create ${step.legId} of ${bytes(step.sizeBytes)}, reading as zeros${step.compression === undefined ? '' : ` and compressed by the pool (${step.compression})`}`,
    ...QUICK,
  },
  'serve-leg': {
    undo: 'stop-serving-leg',
    destroys: nothing,
    describe: (step) => `serve ${step.legId} (epoch ${step.epoch}) to ${step.holderCardId} alone`,
    ...STARTS,
  },
  'grow-leg': {
    undo: null,
    destroys: nothing,
    describe: (step) => `grow ${step.legId} from ${bytes(step.fromSizeBytes)} to ${bytes(step.sizeBytes)}`,
    ...QUICK,
  },
  'fence-leg': {
    undo: null,
    destroys: nothing,
    describe: (step) =>
      `raise the epoch of ${step.legId} from ${step.fromEpoch} to ${step.epoch}: its old holder is cut off`,
    ...QUICK,
  },
  'stop-serving-leg': { undo: null, destroys: nothing, describe: (step) => `stop serving ${step.legId}`, ...QUICK },
  'delete-leg': {
    undo: null,
    destroys: (step) => [`leg ${step.legId}`],
    describe: (step) => `delete ${step.legId}`,
    ...QUICK,
  },
};

type AnyStep = CardStep | PoolStep;
type Row = {
  readonly undo: string | null;
  destroys: () => string[];
  describe: () => string;
  expectedMs: () => number;
  overdueAfterMs: () => number;
};

function cardRow<K extends CardStepKind>(step: CardStepOf<K>): Row {
  return bind(cardStepTable[step.kind], step);
}
function poolRow<K extends PoolStepKind>(step: PoolStepOf<K>): Row {
  return bind(poolStepTable[step.kind], step);
}
function bind<S>(row: StepRow<S>, step: S): Row {
  return {
    undo: row.undo,
    destroys: () => row.destroys(step),
    describe: () => row.describe(step),
    expectedMs: () => row.expectedMs(step),
    overdueAfterMs: () => row.overdueAfterMs(step),
  };
}
function isCardStep(step: AnyStep): step is CardStep {
  return Object.hasOwn(cardStepTable, step.kind);
}

/** The table's row of a step, bound to the step. */
export function rowOf(step: AnyStep): Row {
  return isCardStep(step) ? cardRow(step) : poolRow(step);
}

/** What a step does, in words for the CLI and the console; one clause. */
export function describe(step: AnyStep): string {
  return rowOf(step).describe();
}

/** After how many ms a step is flagged as overdue. */
export function overdueAfterMs(step: AnyStep): number {
  return rowOf(step).overdueAfterMs();
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
function bytes(count: number): string {
  const exponent = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(count) / 10)));
  return `${Number((count / 1024 ** exponent).toFixed(1))} ${UNITS[exponent]}`;
}

/** Limits in words, or that there are none. */
export function limitsText(qos: QosLimits | null): string {
  const entries = Object.entries(qos ?? {}).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? 'unlimited' : entries.map(([name, value]) => `${name} ${value}`).join(', ');
}
