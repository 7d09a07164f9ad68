import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expectedObservation, plannedVolumeOf } from '@flexbso/stack';
import { expect, it } from 'vitest';
import { CardFixture, VOLUME_ID } from '../testing/card-fixture.js';
import { type Changed, changes } from '../testing/changes.js';
import { keptCount } from '../testing/kept-counts.js';
import { prepared, writesOn } from '../testing/prepared.js';
import { TornFuse, watchedJournal } from '../testing/torn-journal.js';

/** What half a line does is the same on any disk; in memory a sync costs nothing. */
const quickFolder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** How the change ends in memory, with a real file journal that is torn at its n-th append. */
async function tornAt(changed: Changed, at: number) {
  const folder = await mkdtemp(join(quickFolder, 'torn-journal-'));
  try {
    const fixture = new CardFixture();
    const pending = { count: 0 };
    fixture.clock.isBusy = () => pending.count > 0;
    fixture.openJournal = () => watchedJournal(folder, pending);
    const { card, written, frozen } = await prepared(changed, fixture);
    const fuse = new TornFuse(at, folder);
    await card.start(fuse);
    fuse.isArmed = true;
    const wanted = await card.want(changed.change);
    const phase = () => card.scheduler.said(wanted.operationId)?.phase ?? 'nothing said';
    const hasEnded = () => ['settled', 'gone', 'undone'].includes(phase());
    await card.clock.runUntil('the agent is dead or done', () => fuse.blown || hasEnded());
    if (fuse.blown) await card.start();
    await card.clock.runUntil('it ended', hasEnded);
    const { exports: _, ...observed } = card.observed();
    const { exports: _e, ...expected } = expectedObservation(plannedVolumeOf(wanted));
    const read = observed.head ? card.card.guestReads(VOLUME_ID) : written;
    const { appends } = fuse;
    return {
      at,
      phase: phase(),
      appends,
      observed,
      expected,
      read,
      written,
      frozen,
      now: writesOn(card, frozen.keys()),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

let cases = 0;

it.each(changes)('$name is completed wherever the last line of its journal is torn', async (changed) => {
  const { appends } = await tornAt(changed, 0);
  for (let at = 1; at <= appends; at++) {
    const end = await tornAt(changed, at);
    const phase = changed.change.tombstone ? 'gone' : 'settled';
    expect(end).toEqual({ ...end, phase, observed: end.expected, read: end.written, now: end.frozen });
    cases++;
  }
});

it('has not become smaller', () => {
  expect(cases).toBeGreaterThanOrEqual(keptCount('tornInMemory'));
});
