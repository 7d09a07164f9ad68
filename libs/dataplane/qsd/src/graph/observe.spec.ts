import { describe, expect, test } from 'vitest';
import { type CopyPhase, speedOf } from './copy-phase.js';
import type { Graph } from './graph.js';
import { toThrottleLimits } from './throttle-limits.js';
import { observedOf } from './observe.js';

const [oldLeg, newLeg] = ['s1.leg-0123456789.1', 's2.leg-9876543210.3'];

function graphOf(headChild: string, difference: Partial<Graph> = {}): Graph {
  const size = { sizeBytes: 8192, file: '', driver: 'file', isReadOnly: false };
  return {
    nodes: new Map([
      ['head', size],
      [oldLeg, size],
      [newLeg, size],
    ]),
    children: new Map([['head', [headChild]]]),
    jobs: [],
    blockJobs: [],
    exports: [],
    objects: ['limits'],
    limits: toThrottleLimits(null),
    tenantLimits: null,
    ...difference,
  };
}

const job = (status: string, error?: string) => ({
  id: 'copy-2',
  status,
  'current-progress': 1,
  'total-progress': 2,
  ...(error === undefined ? {} : { error }),
});
const goesAlong = (phase: CopyPhase, isSynced?: boolean) => ({
  device: 'copy-2',
  'io-status': 'ok',
  speed: speedOf(phase, 64 * 1024 ** 2),
  ...(isSynced === undefined ? {} : { 'actively-synced': isSynced }),
});
const observe = (graph: Graph) => observedOf('vol-0123456789', graph, () => 'nowhere');

describe('where a copy stands is told by its job together with what is beneath the head', () => {
  for (const [status, error, headOn, state] of [
    ['created', undefined, oldLeg, 'running'],
    ['running', undefined, oldLeg, 'running'],
    ['ready', undefined, oldLeg, 'ready'],
    ['concluded', 'Operation canceled', oldLeg, 'failed'],
    ['concluded', undefined, newLeg, 'done'],
    ['concluded', undefined, oldLeg, 'in-transition'],
    ['concluded', 'Input/output error', newLeg, 'in-transition'],
    ['pending', undefined, oldLeg, 'in-transition'],
    ['ready', undefined, newLeg, 'in-transition'],
  ] as const) {
    test(`${status}, ${error ?? 'no error'}, head on the ${headOn === oldLeg ? 'old' : 'new'} stack: ${state}`, () => {
      const observed = observe(
        graphOf(headOn, { jobs: [job(status, error)], blockJobs: [goesAlong('in-step', true)] }),
      );
      expect(observed.copy).toEqual({ toStackGeneration: 2, state, doneBytes: 1, totalBytes: 2, error: error ?? null });
      expect(observed.head?.stackGeneration).toBe(headOn === oldLeg ? 1 : 2);
    });
  }
});

describe('a copy that the daemon says is ready is so', () => {
  for (const [phase, isSynced, state] of [
    ['behind', false, 'running'],
    ['joining', true, 'running'],
    ['in-step', false, 'in-transition'],
    ['in-step', true, 'ready'],
    ['in-step', undefined, 'ready'],
  ] as const) {
    test(`${phase}, ${isSynced === undefined ? 'not said to be' : isSynced ? '' : 'not '} the same: ${state}`, () => {
      const observed = observe(graphOf(oldLeg, { jobs: [job('ready')], blockJobs: [goesAlong(phase, isSynced)] }));
      expect(observed.copy?.state).toBe(state);
    });
  }
});

test('a copy that began while its guest is held still is not ready, whatever the daemon says', () => {
  const held = { objects: ['limits', 'held'], jobs: [job('ready')], blockJobs: [goesAlong('in-step')] };
  expect(observe(graphOf(oldLeg, held)).copy?.state).toBe('running');
});

test('while a copy widens the limits, the tenant sees their own', () => {
  const observed = observe(
    graphOf(oldLeg, {
      limits: toThrottleLimits({ iopsTotal: 5000 }),
      tenantLimits: toThrottleLimits({ iopsTotal: 300 }),
    }),
  );
  expect(observed.head).toMatchObject({ qos: { iopsTotal: 300 }, widened: true });
});

for (const [name, limits, own, isWidened] of [
  ['noted, and not widened yet', { iopsTotal: 300 }, { iopsTotal: 300 }, false],
  ['other than noted', { iopsTotal: 200 }, { iopsTotal: 300 }, true],
  ['on writes alone', { iopsWrite: 300 }, { iopsWrite: 300 }, true],
  ['none', null, null, true],
] as const)
  test(`limits that are ${name}: ${isWidened ? '' : 'not '}widened`, () => {
    const graph = { limits: toThrottleLimits(limits), tenantLimits: toThrottleLimits(own) };
    expect(observe(graphOf(oldLeg, graph)).head).toMatchObject({ qos: own, widened: isWidened });
  });

test('a stack that is shown through a window is observed with it, beneath the head or not', () => {
  const nodes = new Map([
    ...graphOf(oldLeg).nodes,
    ['s2.window', { sizeBytes: 4096, file: '', driver: 'raw', isReadOnly: false }],
  ]);
  const windowed = { nodes, children: new Map([['s2.window', [newLeg]]]) };
  const [old, next] = observe(graphOf(oldLeg, windowed)).stacks;
  expect(old).not.toHaveProperty('windowBytes');
  expect(next).toMatchObject({ legs: [{ legId: 'leg-9876543210', epoch: 3 }], layers: [], windowBytes: 4096 });
  const children = new Map([...windowed.children, ['head', ['s2.window']]]);
  expect(observe(graphOf('s2.window', { nodes, children })).head?.stackGeneration).toBe(2);
});

test('a stack of which only some nodes are open is observed with those', () => {
  const observed = observe(graphOf(oldLeg));
  expect(observed.stacks).toEqual([
    { stackGeneration: 1, legs: [{ legId: 'leg-0123456789', epoch: 1 }], layers: [], keyRef: null },
    { stackGeneration: 2, legs: [{ legId: 'leg-9876543210', epoch: 3 }], layers: [], keyRef: null },
  ]);
});
