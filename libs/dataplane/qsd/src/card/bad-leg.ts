import type { LegFinding } from '@flexbso/dataplane-port';
import { z } from 'zod';
import { openStacks, stackNodes, standInsOf, type Graph } from '../graph/graph.js';
import { parseStackNode } from '../graph/node-names.js';

/** What QEMU counts in, whatever a device's own sectors are (BDRV_SECTOR_SIZE). */
const SECTOR_BYTES = 512;

/** QUORUM_REPORT_BAD, https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html */
const reportBad = z.looseObject({
  type: z.enum(['read', 'write', 'flush']),
  /** Left out when the operation was done and its content was outvoted. */
  error: z.string().optional(),
  'node-name': z.string(),
  'sector-num': z.int().min(0),
  'sectors-count': z.int().min(0),
});

export interface BadLeg extends Omit<LegFinding, 'isWrittenOver'> {
  readonly stackGeneration: number;
}

/**
 * The leg that an event of the daemon calls bad; null when it is about something else. The daemon sends at most one
 * such event a second for each leg and lets the others fall.
 */
export function badLegOf(event: string, data: unknown): BadLeg | null {
  if (event !== 'QUORUM_REPORT_BAD') return null;
  const parsed = reportBad.safeParse(data);
  if (!parsed.success) return null;
  const { type, error, 'node-name': name, 'sector-num': sector, 'sectors-count': sectors } = parsed.data;
  const node = parseStackNode(name);
  if (node?.kind !== 'leg') return null;
  const kind = error === undefined && type === 'read' ? 'differs' : (`${type}-failed` as const);
  const { stackGeneration, legId } = node;
  return {
    stackGeneration,
    legId,
    kind,
    offsetBytes: sector * SECTOR_BYTES,
    lengthBytes: sectors * SECTOR_BYTES,
  };
}

/** Whether what differs is really wrong: elsewhere a read may only have come beside a write to the same place. */
export function isChecked(graph: Graph, stackGeneration: number): boolean {
  return stackNodes(graph, stackGeneration).some(({ node }) => node.kind === 'raid1' && node.layer.safeRead);
}

/** Whether it is written over with the majority's content: never where the legs are open for reading only. */
export function isRepairing(graph: Graph, stackGeneration: number): boolean {
  const legs = stackNodes(graph, stackGeneration).filter(({ node }) => node.kind === 'leg');
  return legs.every(({ name }) => graph.nodes.get(name)?.isReadOnly !== true);
}

/**
 * The legs that mirrors were built again without. The daemon tells of them only while there is I/O, and to who listens;
 * so every look tells of them too.
 */
export function sparedLegs(graph: Graph): LegFinding[] {
  return openStacks(graph)
    .filter((stackGeneration) => isMirrored(graph, stackGeneration))
    .flatMap((stackGeneration) => standInsOf(graph, stackGeneration))
    .map(({ name, legId }) => ({
      legId,
      kind: 'read-failed',
      offsetBytes: 0,
      lengthBytes: graph.nodes.get(name)?.sizeBytes ?? 0,
      isWrittenOver: false,
    }));
}

const isMirrored = (graph: Graph, stackGeneration: number): boolean =>
  stackNodes(graph, stackGeneration).some(({ node }) => node.kind === 'raid1');
