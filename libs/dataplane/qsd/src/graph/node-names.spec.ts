import { expect, test } from 'vitest';
import * as fc from 'fast-check';
import {
  baseNode,
  copyJob,
  legFileNode,
  legNode,
  luksNode,
  luksTrialNode,
  overlayNode,
  parseCopyJob,
  parseStackNode,
  parseVolumeExport,
  raid1Node,
  volumeExport,
  wholeLuksNode,
  windowNode,
} from './node-names.js';

const madeId = (prefix: string) => fc.stringMatching(/^[a-z0-9]{10}$/).map((rest) => `${prefix}-${rest}`);
const generation = fc.integer({ min: 1, max: 999_999 });

test('a node name tells what the node is, and nothing has to be remembered', () => {
  fc.assert(
    fc.property(
      generation,
      madeId('leg'),
      madeId('key'),
      fc.integer({ min: 1, max: 999_999 }),
      (stackGeneration, legId, keyRef, epoch) => {
        expect(parseStackNode(legNode(stackGeneration, legId, epoch))).toEqual({
          kind: 'leg',
          stackGeneration,
          legId,
          epoch,
        });
        expect(parseStackNode(legFileNode(stackGeneration, legId, epoch))).toEqual({
          kind: 'leg-file',
          stackGeneration,
        });
        expect(parseStackNode(luksNode(stackGeneration, keyRef))).toEqual({ kind: 'luks', stackGeneration, keyRef });
        expect(parseStackNode(luksTrialNode(stackGeneration, keyRef))).toEqual({ kind: 'trial', stackGeneration });
        expect(parseStackNode(wholeLuksNode(stackGeneration, keyRef))).toEqual({ kind: 'whole-luks', stackGeneration });
        expect(parseStackNode(windowNode(stackGeneration))).toEqual({ kind: 'window', stackGeneration });
        expect(parseStackNode(overlayNode(stackGeneration))).toEqual({ kind: 'overlay', stackGeneration });
        expect(parseStackNode(baseNode(stackGeneration, epoch))).toEqual({
          kind: 'base',
          stackGeneration,
          baseStackGeneration: epoch,
        });
        expect(parseCopyJob(copyJob(stackGeneration))).toBe(stackGeneration);
      },
    ),
  );
});

test('a node that is not of a stack is taken for none', () => {
  for (const name of [
    'head',
    'copy-filter',
    's1.leg-0123456789',
    's1.luks',
    's1.window.1',
    'sx.window',
    'sx.leg-0123456789.1',
    's1.leg-0123456789.x',
  ])
    expect(parseStackNode(name)).toBeNull();
});

test('a name that the daemon would refuse for its length is refused here, by its own name', () => {
  expect(() => legNode(123_456_789, 'leg-0123456789', 123_456)).toThrow(/31 characters/);
});

test('an export of a volume is told from one that the driver makes for a moment', () => {
  expect(parseVolumeExport(volumeExport('virtio-blk', 'fn-1.2'))).toEqual({
    protocol: 'virtio-blk',
    functionId: 'fn-1.2',
  });
  expect(parseVolumeExport('format.s1.leg-0123456789.1')).toBeNull();
});

test("a mirror's name tells what the daemon does not: over how many legs, and whether reads were asked to be safe", () => {
  fc.assert(
    fc.property(generation, fc.integer({ min: 3, max: 99 }), fc.boolean(), (stackGeneration, legCount, safeRead) => {
      const layer = { kind: 'raid1', legCount, safeRead } as const;
      expect(parseStackNode(raid1Node(stackGeneration, layer))).toEqual({ kind: 'raid1', stackGeneration, layer });
    }),
  );
  expect(parseStackNode('s1.raid1.three')).toBeNull();
});
