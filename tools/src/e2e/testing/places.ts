import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Change } from '@flexbso/contracts';
import { until } from '../../api/until.js';
import { DEADLINE_MS, type System } from './system.js';

/** Where in a swap a fault is put. */
export type Place = 'preparing' | 'copying' | 'cutting over' | 'retiring';

/** Resolves when the swap is there, as soon as that can be seen from outside. */
export async function reach(system: System, place: Place, change: Change): Promise<void> {
  if (place === 'preparing') return;
  if (place === 'copying')
    return until('the copy is under way', DEADLINE_MS, async () => {
      const { progress } = await system.api.change(change.changeId);
      return progress !== null;
    });
  // Milliseconds long: seen in the journal, which has each intent before the act.
  await journalHolds(system, change, place === 'cutting over' ? '"kind":"cut-over"' : '"kind":"close-stack"');
}

/** An intent is a line of its own; the plan, which names all steps at once, is not looked at. */
async function journalHolds(system: System, { volumeId, changeId }: Change, step: string): Promise<void> {
  const file = join(system.cluster.folders.agents, 'card-1', 'journal', `${volumeId}.jsonl`);
  const endMs = Date.now() + DEADLINE_MS;
  for (;;) {
    const lines = (await readFile(file, 'utf8')).split('\n');
    const begun = lines.findIndex((line) => line.startsWith('{"kind":"begin"') && line.includes(changeId));
    const since = begun === -1 ? [] : lines.slice(begun + 1);
    if (since.some((line) => line.startsWith('{"kind":"intent"') && line.includes(step))) return;
    if (Date.now() > endMs) throw new Error(`the journal of ${volumeId} shows no ${step}`);
    await nextTurn();
  }
}
