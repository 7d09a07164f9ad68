import type { CardStep } from '@flexbso/contracts';
import { refused } from '../errors.js';
import { headChild, headStack, stackTop, type Graph, type StackWindow } from '../graph/graph.js';
import { HEAD, LIMITS, windowNode } from '../graph/node-names.js';
import { nothing } from '../qmp/replies.js';
import { look, type StepScene } from './step-scene.js';

type BuildWindow = Extract<CardStep, { kind: 'build-window' }>;

/** Puts a window over the stack's uppermost node: a mirror takes a target of exactly its source's size only. */
export async function buildWindow(scene: StepScene, step: BuildWindow): Promise<void> {
  const graph = await look(scene);
  const name = windowNode(step.stackGeneration);
  const top = stackTop(graph, step.stackGeneration);
  const topBytes = top === null ? undefined : graph.nodes.get(top)?.sizeBytes;
  if (top === name && topBytes === step.sizeBytes) return;
  if (top === null || top === name || topBytes === undefined || topBytes < step.sizeBytes) {
    throw refused(
      'step-failed',
      `stack ${step.stackGeneration} of ${scene.volumeId} shows ${topBytes ?? 'no'} bytes${top === name ? ' through a window' : ''}, and ${step.sizeBytes} of it are to be shown: the window is not built`,
    );
  }
  await scene.daemon.qmp.execute('blockdev-add', { ...windowOver(name, top), size: step.sizeBytes }, nothing);
}

/** Takes the window away again, unless the guest is carried through it: then only growing ends it. */
export async function removeWindow(scene: StepScene, { stackGeneration }: BuildWindow): Promise<void> {
  const graph = await look(scene);
  const name = windowNode(stackGeneration);
  if (!graph.nodes.has(name)) return;
  if (headStack(graph) === stackGeneration)
    throw refused('step-failed', `stack ${stackGeneration} carries the guest through its window, which is kept`);
  await scene.daemon.qmp.execute('blockdev-del', { 'node-name': name }, nothing);
}

/** Lets the window show everything, so that the head can be resized over it. */
export async function openWindow(
  scene: StepScene,
  graph: Graph,
  { name, beneath }: StackWindow,
  sizeBytes: number,
): Promise<void> {
  const stackBytes = graph.nodes.get(beneath)?.sizeBytes;
  if (stackBytes !== sizeBytes) {
    throw refused(
      'step-failed',
      `the stack beneath the window of ${scene.volumeId} has ${stackBytes ?? 'no'} bytes, and the volume is to have ${sizeBytes}: it is not grown`,
    );
  }
  await scene.daemon.qmp.execute('blockdev-reopen', { options: [windowOver(name, beneath)] }, nothing);
}

/** Puts the head on what the window, which shows all of it, stands on: the same bytes, one node less. */
export async function takeWindowAway(scene: StepScene, { name, beneath }: StackWindow): Promise<void> {
  const { qmp } = scene.daemon;
  const head = { driver: 'throttle', 'node-name': HEAD, 'throttle-group': LIMITS, file: beneath };
  await qmp.execute('blockdev-reopen', { options: [head] }, nothing);
  const under = headChild(await look(scene));
  if (under !== beneath)
    throw refused(
      'step-failed',
      `the head of ${scene.volumeId} is on ${under} after its window was to go, not on ${beneath}`,
    );
  await qmp.execute('blockdev-del', { 'node-name': name }, nothing);
}

const windowOver = (name: string, beneath: string) => ({
  driver: 'raw',
  'node-name': name,
  file: beneath,
  discard: 'unmap',
});
