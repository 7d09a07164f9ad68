import { setTimeout as delay } from 'node:timers/promises';
import type { BlockLedger } from './block-ledger.js';
import { LEDGER_BLOCK_BYTES } from './block-ledger.js';
import { RunningLoad, failOneIo, fillVolume, plantWrongByte, readWholeVolume } from './fio.js';
import { feltBetween } from './latency-log.js';
import type { LoadTarget } from './target.js';
import { checkWholeVolume } from './volume-image.js';

/** A fault put in on purpose, to show that it is found. */
export type Planted = 'wrong-byte' | 'failed-io';

export interface LoadSetting {
  readonly target: LoadTarget;
  readonly ledger: BlockLedger;
  /** The load runs this long before anything counts. */
  readonly warmUpMs: number;
  /** At least this long is the baseline. */
  readonly baselineMs: number;
  /** How long the change took when it was tried; the load runs longer before it where its baseline needs that. */
  readonly expectedMs?: number;
  readonly planted?: Planted;
}

/** What was made beneath a load, for the table. */
export interface Made {
  /** Steps of the plan; 0 for what is no change of a volume. */
  readonly steps: number;
  readonly bytesCopied: number;
  readonly traceId: string | null;
}

/** What one change was and what the client felt of it. Field names are those of the demo's JSON. */
export interface ChangeUnderLoad extends Made {
  readonly name: string;
  readonly seconds: number;
  readonly longestIoMs: number;
  readonly baselineLongestIoMs: number;
  readonly p999IoMs: number;
  readonly failedIo: number;
  readonly wrongBytes: number;
}

/** A change that takes longer than it did when it was tried still has a baseline of its own length. */
const EXPECTED_MARGIN = 1.5;

/** For how long the load runs before a change, after its warm-up. */
export const loadedMsBefore = ({ baselineMs, expectedMs = 0 }: Pick<LoadSetting, 'baselineMs' | 'expectedMs'>) =>
  Math.max(baselineMs, EXPECTED_MARGIN * expectedMs);

/** How much of that, up to the change, is its baseline: as long as the change took, and no part of the warm-up. */
export const baselineMsOf = (setting: Pick<LoadSetting, 'baselineMs' | 'expectedMs'>, tookMs: number): number =>
  Math.min(loadedMsBefore(setting), Math.max(setting.baselineMs, tookMs));

/**
 * Runs a verified load, makes one change beneath it, and reads the whole volume afterwards. The time just before the
 * change is its baseline.
 * Where the client sees that the volume has grown, what is new must be zeros, and is filled for what comes next.
 */
export async function changeUnderLoad(
  name: string,
  setting: LoadSetting,
  make: () => Promise<Made>,
): Promise<ChangeUnderLoad> {
  const { target, ledger } = setting;
  const load = await RunningLoad.start(target);
  await delay(setting.warmUpMs + loadedMsBefore(setting));
  const fromMs = Date.now();
  const outcome = await settle(make);
  const toMs = Date.now();
  const result = await load.stop(ledger);
  if ('error' in outcome) throw outcome.error;
  const planted = await plant(setting);
  const full = await readWholeVolume(target);
  const filledBytes = ledger.sizeBytes;
  if ((await target.look()) > filledBytes) ledger.grow(target.sizeBytes);
  const stale = await checkWholeVolume(target, ledger);
  if (target.sizeBytes > filledBytes) await fillVolume(target, ledger, filledBytes);
  const felt = feltBetween(result.ios, fromMs, toMs);
  const baselineMs = baselineMsOf(setting, toMs - fromMs);
  return {
    name,
    ...outcome.made,
    seconds: (toMs - fromMs) / 1000,
    longestIoMs: felt.longestIoMs,
    baselineLongestIoMs: feltBetween(result.ios, fromMs - baselineMs, fromMs).longestIoMs,
    p999IoMs: felt.p999IoMs,
    failedIo: result.failedIo + planted + full.failedIo,
    wrongBytes: LEDGER_BLOCK_BYTES * (result.wrongBlocks + Math.max(full.wrongBlocks, stale.length)),
  };
}

/** The load is stopped whether the change went well or not. */
async function settle(make: () => Promise<Made>): Promise<{ made: Made } | { error: unknown }> {
  try {
    return { made: await make() };
  } catch (error) {
    return { error };
  }
}

async function plant(setting: LoadSetting): Promise<number> {
  if (setting.planted === 'failed-io') return (await failOneIo(setting.target)).failedIo;
  if (setting.planted === 'wrong-byte') return (await plantWrongByte(setting.target)).failedIo;
  return 0;
}
