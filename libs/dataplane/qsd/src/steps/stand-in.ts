import type { CardStep } from '@flexbso/contracts';
import { DataPlaneError } from '@flexbso/dataplane-port';
import { desiredStacks } from '@flexbso/stack';
import { daemonAgeSeconds } from '../daemon/processes.js';
import { STAND_IN_DRIVER, standInsOf } from '../graph/graph.js';
import { legNode } from '../graph/node-names.js';
import { QmpCommandError } from '../qmp/errors.js';
import { nothing } from '../qmp/replies.js';
import { look, type StepScene } from './step-scene.js';

type OpenLeg = Extract<CardStep, { kind: 'open-leg' }>;

/** So many legs of a vote have to hold a write, and to agree on a read. */
export const majorityOf = (legCount: number): number => Math.floor(legCount / 2) + 1;

/** Whether a leg could not be opened because it is not there, and not because something is wrong with it. */
export function isAway(cause: unknown): boolean {
  if (cause instanceof DataPlaneError) return cause.retryable;
  return cause instanceof QmpCommandError && cause.description.endsWith(': No such file or directory');
}

/**
 * Has something stand in for a leg that is away, so that its mirror is built again without it. The vote stays one of all
 * its legs: every read and write needs as many of those that are there as it did before, so what was acknowledged is
 * what is read, whatever each of them has missed (docs/design/mirrors-by-vote.md). As long as I/O would wait for the
 * leg, building waits for it too; counted from the start of the daemon.
 *
 * @returns whether it does. Where too many legs are away for a majority none is stood in for, and the next attempt tries
 *   each anew
 */
export async function standIn(scene: StepScene, step: OpenLeg): Promise<boolean> {
  const { stackGeneration, legId, epoch, sizeBytes } = step;
  const { context, daemon, config } = scene;
  if (context.maySpareLegs !== true) return false;
  const stack = desiredStacks(context.desired).find((one) => one.stackGeneration === stackGeneration);
  const mirror = stack?.layers.find(({ kind }) => kind === 'raid1');
  if (mirror?.kind !== 'raid1') return false;
  const pid = await daemon.pid();
  if (pid === null || (await daemonAgeSeconds(pid)) < config.reconnectDelaySeconds) return false;
  const others = standInsOf(await look(scene), stackGeneration);
  if (mirror.legCount - others.length - 1 < majorityOf(mirror.legCount)) {
    for (const { name } of others) await daemon.qmp.execute('blockdev-del', { 'node-name': name }, nothing);
    return false;
  }
  await daemon.qmp.execute(
    'blockdev-add',
    {
      driver: STAND_IN_DRIVER,
      'node-name': legNode(stackGeneration, legId, epoch),
      image: { driver: 'null-co', size: sizeBytes },
      'inject-error': [{ event: 'none', errno: EIO }],
    },
    nothing,
  );
  return true;
}

const EIO = 5;
