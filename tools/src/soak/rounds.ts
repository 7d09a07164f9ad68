import type { Change } from '@flexbso/contracts';
import { passes } from './killer.js';
import { forEachInLanes, inLanes } from './lanes.js';
import type { Random } from './random.js';
import { deleteSnapshots, snapshotRound } from './snapshots.js';
import { begin, changed, end, reachOf, unlessRefused } from './subject.js';
import type { SoakScene, Subject } from './subject.js';
import { wishFor } from './wishes.js';

const RECREATED = 0.06;
const SNAPSHOTS = 0.35;
const CANCELLED = 0.1;
const MOST_BEFORE_CANCEL_MS = 1_500;
/** Between two changes of a lane. */
const MOST_PAUSE_MS = 500;

/** The volumes of a soak, by place; null: none could be made there. */
export type Subjects = (Subject | null)[];

/** Numbers for tags, each given once. */
export class Tags {
  #next = 1;

  take(): number {
    this.#next += 1;
    return this.#next - 1;
  }
}

export interface Rounds {
  readonly scene: SoakScene;
  readonly subjects: Subjects;
  readonly cardIds: readonly string[];
  readonly tags: Tags;
  readonly random: Random;
}

/** A volume for each place, its client at work. */
export async function fillPlaces({ scene, subjects, cardIds, tags, random }: Rounds): Promise<void> {
  const places = subjects.map((_, place) => place);
  await forEachInLanes(places, async (place) => {
    subjects[place] = await begin(scene, cardAt(cardIds, place), tags.take(), random.fork());
  });
}

/** Changes volumes at random, some at once and each by one at a time, until the signal is given and all have ended. */
export async function changeAtRandom(rounds: Rounds, signal: AbortSignal): Promise<void> {
  const busy = new Set<number>();
  await inLanes(async () => {
    const random = rounds.random.fork();
    while (await passes(random.between(0, MOST_PAUSE_MS), signal)) {
      const free = rounds.subjects.flatMap((_, place) => (busy.has(place) ? [] : [place]));
      if (free.length === 0) continue;
      const place = random.pick(free);
      busy.add(place);
      // One that complained is left as it is: what is asked of it next would only be refused.
      if ((await oneRound(rounds, place, random)) !== null) busy.delete(place);
    }
  });
}

/** Null: it did not come to an end. */
async function oneRound(rounds: Rounds, place: number, random: Random): Promise<Change['state'] | null> {
  const { scene, subjects } = rounds;
  const subject = subjects[place];
  if (!subject || random.chance(RECREATED)) return recreated(rounds, place, random);
  const { volumeId } = subject.volume;
  const before = await scene.api.volume(volumeId);
  const meanwhile = (begun: Change) => maybeCancel(scene, begun, random);
  if (random.chance(SNAPSHOTS)) return snapshotRound(scene, subject, before, random, meanwhile);
  const { kind, patch } = wishFor(before, reachOf(scene, before.cardId), random);
  return changed(scene, kind, before, patch, meanwhile);
}

async function maybeCancel({ api, tally }: SoakScene, { changeId }: Change, random: Random): Promise<void> {
  if (!random.chance(CANCELLED)) return;
  await passes(random.between(0, MOST_BEFORE_CANCEL_MS), AbortSignal.timeout(MOST_BEFORE_CANCEL_MS));
  await unlessRefused(tally, 'cancel', () => api.cancel(changeId));
}

/** Deletes the volume of a place, after a full read of it, and makes another. */
async function recreated(rounds: Rounds, place: number, random: Random): Promise<Change['state'] | null> {
  const { scene, subjects, cardIds, tags } = rounds;
  const subject = subjects[place];
  subjects[place] = null;
  await subject?.guest.stop();
  if (subject && !(await deleteSnapshots(scene, subject))) return null;
  if (subject && !(await end(scene, subject.volume.volumeId))) return null;
  // Where none could be made now, because what was killed is not heard yet, one is made at the next turn.
  subjects[place] = await begin(scene, cardAt(cardIds, place), tags.take(), random.fork());
  return 'settled';
}

function cardAt(cardIds: readonly string[], place: number): string {
  const cardId = cardIds[place % cardIds.length];
  if (cardId === undefined) throw new Error('there are no cards');
  return cardId;
}
