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
      before: { ...room, memoryBytes: 16 * 1024 ** 2, armCentiCores: 1 },
      during: { ...room, memoryBytes: 16 * 1024 ** 2, armCentiCores: 18, iops: 5000 },
      after: { ...room, memoryBytes: 16 * 1024 ** 2, armCentiCores: 18, iops: 5000 },
    },
  ],
  grows: null,
  lacks: [],
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
  const shown = print({ grows: 'window', lacks: ['redundancy'] });
  expect(shown).toContain('grows | onto larger legs, through a window');
  expect(shown).toContain('lacks | redundancy, from the cut-over on');
  expect(print({ lacks: ['crash-safety'] }).find((line) => line.startsWith('lacks'))).toContain(
    'until it is copied flat',
  );
  expect(print({}).some((line) => /^(grows|lacks)/.test(line))).toBe(false);
});

it('says of a plan that takes nothing more, and of one without steps, that it is so', () => {
  const lines = planLines({ ...plan, steps: [], reservations: [] }, (_style, text) => text);
  expect(lines).toContain('no steps: nothing differs');
  expect(lines).toContain('reserves what it has now, and nothing more');
});
