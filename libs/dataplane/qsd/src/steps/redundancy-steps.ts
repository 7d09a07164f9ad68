import type { CardStep } from '@flexbso/contracts';
import { refused } from '../errors.js';
import { headStack, stackNodes } from '../graph/graph.js';
import { raid1Node, voteNode } from '../graph/node-names.js';
import { nothing } from '../qmp/replies.js';
import { majorityOf } from './stand-in.js';
import { isShared, look, type StepScene } from './step-scene.js';

type BuildRedundancy = Extract<CardStep, { kind: 'build-redundancy' }>;

/** Two legs that differ show that one is wrong, not which. */
export const MIN_MIRROR_LEGS = 3;

/**
 * Builds a mirror as a vote: each read asks every leg, and what most of them answer is the answer. A write that the
 * guest was told of is on a majority, so a leg that missed it is outvoted for ever, whoever lives or has restarted:
 * nothing is remembered that could be lost.
 *
 * With safe reads what differs is written over with the majority's content (`rewrite-corrupted`). Two such repairs
 * beside a guest's write to the same place could put the old content back on a majority, so no read is let in beside a
 * write: that is what the filter over the vote is for (docs/design/mirrors-by-vote.md). Without safe reads nothing
 * waits, and nothing is repaired.
 */
export async function buildRedundancy(scene: StepScene, step: BuildRedundancy): Promise<void> {
  const { layer, stackGeneration, legIds } = step;
  if (layer.kind !== 'raid1' || legIds.length < MIN_MIRROR_LEGS || layer.legCount !== legIds.length)
    throw refused(
      'missing-capability',
      `qemu-storage-daemon mirrors over ${MIN_MIRROR_LEGS} legs or more, and by a vote: ${layer.kind} over ${legIds.length} could not tell a stale leg from a good one`,
    );
  const name = raid1Node(stackGeneration, layer);
  const graph = await look(scene);
  if (graph.nodes.has(name)) return;
  const open = stackNodes(graph, stackGeneration);
  const children = legIds.map((legId) => {
    const leg = open.find(({ node }) => node.kind === 'leg' && node.legId === legId);
    if (leg === undefined) throw refused('step-failed', `${legId} is not open in stack ${stackGeneration}`);
    return leg.name;
  });
  const sizes = new Set(children.map((child) => graph.nodes.get(child)?.sizeBytes));
  if (sizes.size !== 1)
    throw refused(
      'step-failed',
      `the legs of stack ${stackGeneration} have ${[...sizes].join(' and ')} bytes: no mirror`,
    );
  // Of what others read too nothing is written, also not what differs; the filter would have to be allowed to.
  const isRepairing = layer.safeRead && !isShared(scene, stackGeneration);
  const vote = {
    driver: 'quorum',
    children,
    'vote-threshold': majorityOf(children.length),
    'read-pattern': 'quorum',
    'rewrite-corrupted': isRepairing,
  };
  const node = isRepairing ? { ...oneAtATime, file: { ...vote, 'node-name': voteNode(stackGeneration) } } : vote;
  await scene.daemon.qmp.execute('blockdev-add', { ...node, 'node-name': name }, nothing);
}

/**
 * Nothing is ever copied, since a vote has no backing file. What counts is that each read is marked as serialising on
 * the node beneath (`bdrv_aligned_preadv` with BDRV_REQ_COPY_ON_READ): it waits for the writes that it overlaps, and
 * later ones wait until it was answered and what differed was written over.
 */
const oneAtATime = { driver: 'copy-on-read' } as const;

/** Takes the vote away again, unless it carries the guest; its legs stay open. */
export async function removeRedundancy(scene: StepScene, step: BuildRedundancy): Promise<void> {
  if (step.layer.kind !== 'raid1') return;
  const graph = await look(scene);
  if (headStack(graph) === step.stackGeneration)
    throw refused('step-failed', `stack ${step.stackGeneration} carries the guest: its mirror is not taken away`);
  const name = raid1Node(step.stackGeneration, step.layer);
  if (graph.nodes.has(name)) await scene.daemon.qmp.execute('blockdev-del', { 'node-name': name }, nothing);
}
