import type { DesiredCardLeg } from '@flexbso/contracts';
import type { CardStepContext } from '@flexbso/dataplane-port';
import { desiredStacks } from '@flexbso/stack';
import type { QsdCardConfig } from '../config.js';
import type { Daemon } from '../daemon/daemon.js';
import { refused } from '../errors.js';
import { readGraph, type Graph } from '../graph/graph.js';

/** Everything that a step on one volume acts with. */
export interface StepScene {
  readonly volumeId: string;
  readonly daemon: Daemon;
  readonly config: QsdCardConfig;
  readonly context: CardStepContext;
}

/** What can be done to a volume whatever is wanted of it. */
export type VolumeScene = Pick<StepScene, 'volumeId' | 'daemon'>;

export const look = (scene: VolumeScene): Promise<Graph> => readGraph(scene.daemon.qmp);

/** The desired leg of a step; the step names it by id only. */
export function desiredLeg(scene: StepScene, legId: string): DesiredCardLeg {
  const leg = desiredStacks(scene.context.desired)
    .flatMap(({ legs }) => legs)
    .find((candidate) => candidate.legId === legId);
  if (leg === undefined)
    throw refused(
      'step-failed',
      `${legId} is not a leg of the desired stacks of ${scene.volumeId}: plan again from the present desired state`,
    );
  return leg;
}

/** Whether other volumes may have the stack's legs open: nothing of it is opened for writing. */
export const isShared = (scene: StepScene, stackGeneration: number): boolean =>
  desiredStacks(scene.context.desired).some(
    (stack) => stack.stackGeneration === stackGeneration && stack.shared === true,
  );
