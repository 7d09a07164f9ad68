import type { LegFinding } from '@flexbso/dataplane-port';
import { z } from 'zod';
import { stackNodes, type Graph } from '../graph/graph.js';
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
