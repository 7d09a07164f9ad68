import type { Labels, Layer, QosLimits } from '@flexbso/contracts';
import { formatSize } from '../units/size.js';

/** Values of the API in words for a person. */

export const labelsText = (labels: Labels) =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');

export const timeText = (atMs: number | null) => (atMs === null ? null : new Date(atMs).toISOString());

export function durationText(ms: number): string {
  if (ms < 1_000) return `${Number(ms.toFixed(1))} ms`;
  return ms < 120_000 ? `${Number((ms / 1_000).toFixed(2))} s` : `${Number((ms / 60_000).toFixed(1))} min`;
}

export function stackText(layers: readonly Layer[]): string {
  return [...layers.map(layerText), 'legs'].join(' > ');
}

function layerText(layer: Layer): string {
  if (layer.kind === 'compression' && layer.by === 'pools') return `compression(${layer.algorithm}, by the pools)`;
  if (!('legCount' in layer)) return layer.kind;
  const isSafe = layer.kind === 'raid1' && layer.safeRead;
  return `${layer.kind}(${layer.legCount}${isSafe ? ', safe read' : ''})`;
}

export function qosText(qos: QosLimits | null): string {
  const limits = Object.entries(qos ?? {}).map(([name, value = 0]) =>
    name.startsWith('bytes') ? `${name}=${formatSize(value)}/s` : `${name}=${value}`,
  );
  return limits.length === 0 ? 'unlimited' : limits.join(', ');
}
