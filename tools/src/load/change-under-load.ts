import { setTimeout as delay } from 'node:timers/promises';
import type { Change } from '@flexbso/contracts';
import type { BlockLedger } from './block-ledger.js';
import { LEDGER_BLOCK_BYTES } from './block-ledger.js';
import { RunningLoad, failOneIo, plantWrongByte, readWholeVolume } from './fio.js';
import type { LoadTarget } from './fio.js';
import { feltBetween } from './latency-log.js';
import { checkWholeVolume } from './volume-image.js';

/** A fault put in on purpose, to show that it is found. */
export type Planted = 'wrong-byte' | 'failed-io';

export interface LoadSetting {
  readonly target: LoadTarget;
  readonly qemuImgPath: string;
  readonly ledger: BlockLedger;
  /** The load runs this long before anything counts. */
  readonly warmUpMs: number;
  /** At least this long is the baseline. */
  readonly baselineMs: number;
  readonly planted?: Planted;
}

/** What one change was and what the client felt of it. Field names are those of the demo's JSON. */
export interface ChangeUnderLoad {
  readonly name: string;
  readonly steps: number;
  readonly seconds: number;
  readonly bytesCopied: number;
  readonly longestIoMs: number;
  readonly baselineLongestIoMs: number;
  readonly p999IoMs: number;
  readonly failedIo: number;
  readonly wrongBytes: number;
  readonly traceId: string | null;
}

/**
 * Runs a verified load, makes one change beneath it, and reads the whole volume afterwards. The time
 * just before the change, as long as the change took where that is longer than the least, is its baseline.
 */
export async function changeUnderLoad(
  name: string,
  setting: LoadSetting,
  change: () => Promise<Change>,
): Promise<ChangeUnderLoad> {
  const { target, ledger } = setting;
  const load = await RunningLoad.start(target);
  await delay(setting.warmUpMs + setting.baselineMs);
  const fromMs = Date.now();
  const outcome = await settle(change);
  const toMs = Date.now();
  const result = await load.stop(ledger);
  if ('error' in outcome) throw outcome.error;
  const planted = await plant(setting);
  const full = await readWholeVolume(target);
  const stale = await checkWholeVolume({
    qemuImgPath: setting.qemuImgPath,
    uri: target.uri,
    folder: target.folder,
    ledger,
  });
  const felt = feltBetween(result.ios, fromMs, toMs);
  const baselineMs = Math.max(
    setting.baselineMs,
    Math.min(toMs - fromMs, setting.warmUpMs + setting.baselineMs - 1000),
  );
  return {
    name,
    steps: outcome.change.steps.length,
    seconds: (toMs - fromMs) / 1000,
    bytesCopied: outcome.change.bytesCopied,
    longestIoMs: felt.longestIoMs,
    baselineLongestIoMs: feltBetween(result.ios, fromMs - baselineMs, fromMs).longestIoMs,
    p999IoMs: felt.p999IoMs,
    failedIo: result.failedIo + planted + full.failedIo,
    wrongBytes: LEDGER_BLOCK_BYTES * (result.wrongBlocks + Math.max(full.wrongBlocks, stale.length)),
    traceId: outcome.change.traceId,
  };
}

/** The load is stopped whether the change went well or not. */
async function settle(change: () => Promise<Change>): Promise<{ change: Change } | { error: unknown }> {
  try {
    return { change: await change() };
  } catch (error) {
    return { error };
  }
}

async function plant(setting: LoadSetting): Promise<number> {
  if (setting.planted === 'failed-io') return (await failOneIo(setting.target)).failedIo;
  if (setting.planted === 'wrong-byte') return (await plantWrongByte(setting.target)).failedIo;
  return 0;
}
