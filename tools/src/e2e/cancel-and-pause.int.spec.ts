import { type Change, finalChangeStates } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../api/until.js';
import type { Place } from './testing/places.js';
import { type Subject, subjectsOn } from './testing/subjects.js';
import { DEADLINE_MS, MiB, START_OR_END_MS, System } from './testing/system.js';

const system = new System();
beforeAll(() => system.start(), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

const { filled, movedThrough, holds } = subjectsOn(system);

async function changeOf({ volume }: Subject): Promise<Change> {
  const { changeId } = await system.api.volume(volume.volumeId);
  return system.api.change(changeId ?? '');
}

function post(path: string): Promise<Response> {
  return system.write('POST', path, { key: path, body: '{}' });
}

/** It stands where a pause holds it: before its cut-over, or, had that begun, before anything of the old is deleted. */
function isHeld({ state, waitingFor }: Change): boolean {
  if (state === 'retiring') return waitingFor?.startsWith('paused by') === true;
  return waitingFor?.includes('to be resumed; paused by') === true;
}

describe('a swap under verified I/O', { timeout: 180_000 }, () => {
  // What the cancel is answered, how the change ends, and what came of the cancel.
  const taken = '202 undone undone';
  const tooLate = ['202 settled cut-over-passed', '409 settled none'];
  const ways: readonly (readonly [place: Place, ends: readonly string[]])[] = [
    ['preparing', [taken]],
    ['copying', [taken, ...tooLate]],
    ['cutting over', tooLate],
    ['retiring', tooLate],
  ];

  it.each(ways)('that is cancelled while %s ends on one whole stack, and says which', async (place, ends) => {
    const subject = await filled(`cancelled-${place.replace(' ', '-')}`);
    let status = 0;
    const change = await movedThrough(subject, 'pool-4', place, async () => {
      ({ status } = await post(`/v1/changes/${(await changeOf(subject)).changeId}/cancel`));
    });
    expect(ends).toContain(`${status} ${change.state} ${change.cancel?.outcome ?? 'none'}`);
    await holds(subject, change.state === 'undone' ? 'pool-1' : 'pool-4');
    await system.remove(subject.volume);
  });

  it('gives way to what is wanted meanwhile, which has its turn though the scheduler and the agent die before', async () => {
    const subject = await filled('newer', { sizeBytes: 128 * MiB });
    const { volumeId } = subject.volume;
    const layers = [{ kind: 'encryption' as const, cipher: 'aes-xts-256' as const }];
    const ends: Change[] = [];
    const first = await movedThrough(subject, 'pool-4', 'copying', async () => {
      const { volume, change } = await system.api.changeVolume(volumeId, { stack: { layers } });
      expect(volume.queuedChangeId).toBe(change.changeId);
      for (const name of ['agent-card-1', 'scheduler']) {
        await system.cluster.kill(name, 'SIGKILL');
        await system.cluster.restart(name);
      }
      ends.push(await system.api.ended(change.changeId, DEADLINE_MS));
    });
    // Its card may have been told too late.
    expect(['undone cancelled', 'settled none']).toContain(`${first.state} ${first.problem?.code ?? 'none'}`);
    expect(ends).toMatchObject([{ state: 'settled', problem: null }]);
    expect(await system.api.volume(volumeId)).toMatchObject({ stack: { layers }, queuedChangeId: null });
    await holds(subject, 'pool-4');
    await system.remove(subject.volume);
  });

  it('that is paused stands still over a restart of its agent and of the scheduler, and goes on when it is resumed', async () => {
    const subject = await filled('paused');
    const change = await movedThrough(subject, 'pool-4', 'copying', async () => {
      expect((await post('/v1/cards/card-1/pause')).status).toBe(200);
      await until('it is held', DEADLINE_MS, async () => isHeld(await changeOf(subject)));
      for (const name of ['agent-card-1', 'scheduler']) {
        await system.cluster.kill(name, 'SIGKILL');
        await system.cluster.restart(name);
      }
      await until('it is held still', DEADLINE_MS, async () => isHeld(await changeOf(subject)));
      expect(finalChangeStates).not.toContain((await changeOf(subject)).state);
      expect((await system.flexbso('get', 'cards', 'card-1')).stdout).toMatch(/PAUSED[^]*by /);
      expect((await system.flexbso('resume', 'card', 'card-1')).stdout).toBe('nothing is paused\n');
    });
    expect(change.state).toBe('settled');
    await holds(subject, 'pool-4');
    await system.remove(subject.volume);
  });
});
