import type { Plan } from '@flexbso/contracts';
import { expect, it } from 'vitest';
import { planLines } from './print-plan.js';

const room = { capacityBytes: 0, iops: 0, bytesPerSecond: 0, memoryBytes: 0, armCentiCores: 0 };
const plan: Plan = {
  steps: [
    {
      actor: { role: 'card', id: 'card-1' },
      volumeId: 'vol-0123456789',
      step: { kind: 'set-limits', from: null, to: { iopsTotal: 5000 } },
      undo: 'set-limits',
      cutOver: false,
      destroys: [],
      does: 'Set limits: iopsTotal 5000 (were: unlimited).',
      expectedSeconds: 0.05,
    },
  ],
  digest: 'a'.repeat(64),
  card: { digest: 'b'.repeat(64), cutOver: false, destroys: [] },
  secondStageAt: null,
  cutOverIndex: null,
  destroys: [],
  bytesToCopy: 0,
  expectedSeconds: 0.05,
  reservations: [
    {
      owner: { role: 'card', id: 'card-1' },
      functionId: 'vf-1',
      functionIds: { before: ['vf-1'], during: ['vf-1'], after: ['vf-1'] },
      before: { ...room, memoryBytes: 16 * 1024 ** 2, armCentiCores: 1 },
      during: { ...room, memoryBytes: 16 * 1024 ** 2, armCentiCores: 18, iops: 5000 },
      after: { ...room, memoryBytes: 16 * 1024 ** 2, armCentiCores: 18, iops: 5000 },
    },
  ],
  grows: null,
  lacks: [],
  lacksAfter: [],
  differences: ['qos'],
  guestFeels: 'its limits become: iopsTotal 5000',
};
const print = (difference: Partial<Plan>) => plain(planLines({ ...plan, ...difference }, (_style, text) => text));
const plain = (lines: string[]) => lines.map((line) => line.replaceAll(/ {2,}/g, ' | ').trim());

it('prints each step with what it does, and what the change takes of cards and pools', () => {
  const lines = plain(planLines(plan, (_style, text) => text));
  expect(lines).toContain(
    '1 | card card-1 | set-limits | set-limits | - | - | 50 ms | Set limits: iopsTotal 5000 (were: unlimited).',
  );
  expect(lines).toContain('card card-1 | IOPS | 0 | 5000 | 5000');
  expect(lines).toContain('card card-1 | ARM cores | 0.01 | 0.18 | 0.18');
  expect(lines.some((line) => line.includes('memory'))).toBe(false);
  expect(lines).toContain('guest feels | its limits become: iopsTotal 5000');
});

it('says how a volume grows, and what it lacks when it is through, where it is so', () => {
  const shown = print({ grows: 'window', lacks: ['redundancy'], cutOverIndex: 5 });
  expect(shown).toContain('grows | onto larger legs, through a window');
  expect(shown).toContain('lacks | redundancy, from the cut-over on');
  expect(print({ lacks: ['redundancy'] })).toContain('lacks | redundancy, once it is done');
  expect(print({ lacks: ['crash-safety'] }).find((line) => line.startsWith('lacks'))).toContain(
    'until it is copied flat',
  );
  expect(print({}).some((line) => /^(grows|lacks)/.test(line))).toBe(false);
});

it('says of a plan that takes nothing more, and of one without steps, that it is so', () => {
  const lines = print({ steps: [], reservations: [], differences: [] });
  expect(lines).toContain('no steps: nothing differs');
  expect(lines).toContain('reserves what it has now, and nothing more');
});

it('says of a plan without steps what is another at once, and what goes by it', () => {
  const lines = print({ steps: [], differences: ['snapshot'], destroys: ['snapshot s1 (snap-0123456789)'] });
  expect(lines[0]).toBe('no steps: no card or pool has to do anything, and at once another is: snapshot');
  expect(lines).toContain('destroys | snapshot s1 (snap-0123456789)');
});

it('says which function is held when', () => {
  const moved = { functionId: 'vf-2', functionIds: { before: ['vf-1'], during: ['vf-1', 'vf-2'], after: ['vf-2'] } };
  const reservations = plan.reservations.map((one) => ({ ...one, ...moved, before: room, during: room, after: room }));
  expect(print({ reservations })).toContain('card card-1 | function | vf-1 | vf-1, vf-2 | vf-2');
});

const copying = plan.steps.map((planned) => ({
  ...planned,
  step: { kind: 'copy' as const, fromStackGeneration: 2, toStackGeneration: 1, bytes: 4096, copyBytesPerSecond: 1 },
}));

it('says of what is written back that it is so much at most, and that the snapshot is spoilt from the first byte', () => {
  const steps = copying.flatMap((one) => (one.actor.role === 'card' ? { ...one, actor: one.actor } : []));
  const back = steps.map((one) => ({ ...one, step: { ...one.step, commits: true as const } }));
  const lines = print({ steps: back, bytesToCopy: 4096, cutOverIndex: 1 });
  expect(lines).toContain('bytes to copy | at most 4KiB');
  expect(lines.find((line) => line.startsWith('cut-over'))).toContain('spoilt by the first byte that is copied');
  expect(print({ steps, bytesToCopy: 4096, cutOverIndex: 1 })).toContain('bytes to copy | 4KiB');
});

it('says of two stages what is lacking in between and what for good, and that what grew in place is not undone', () => {
  const stages = { secondStageAt: 4, cutOverIndex: 2 };
  const shown = print({ ...stages, lacks: ['redundancy', 'encryption'], lacksAfter: ['encryption'] });
  expect(shown).toContain('lacks | redundancy, from the first cut-over to the second');
  expect(shown).toContain('lacks | encryption, from the first cut-over on, for good');
  expect(shown).toContain('cut-over | undone whole if it fails before step 3, only completed from there on');
  const inPlace = print({ ...stages, cutOverIndex: 7 }).find((line) => line.startsWith('cut-over'));
  expect(inPlace).toContain('in the second stage, at step 8');
  expect(inPlace).not.toContain('undone whole');
});
