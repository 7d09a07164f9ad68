import type { Plan, PlannedStep } from '@flexbso/contracts';
import { formatSize } from '../units/size.js';
import type { Output } from './output.js';
import { table } from './table.js';
import { durationText } from './words.js';

/** A plan, step by step: who does it, how it is undone, where the cut-over is, what is destroyed. */
export function planLines(plan: Plan, styled: Output['styled']): string[] {
  const numbered = plan.steps.map((step, index) => ({ ...step, index }));
  const columns = [
    { title: '#', value: (step: { index: number }) => step.index + 1, align: 'right' as const },
    { title: 'actor', value: ({ actor }: PlannedStep) => `${actor.role} ${actor.id}` },
    { title: 'step', value: ({ step }: PlannedStep) => step.kind },
    { title: 'undo', value: ({ undo }: PlannedStep) => undo },
    { title: 'cut-over', value: ({ cutOver }: PlannedStep) => (cutOver ? 'HERE' : '') },
    { title: 'destroys', value: ({ destroys }: PlannedStep) => destroys.join(', ') },
  ];
  const steps = plan.steps.length === 0 ? ['no steps: nothing differs'] : table(columns, numbered, styled);
  return [...steps, '', ...summary(plan)];
}

function summary(plan: Plan): string[] {
  const cutOver =
    plan.cutOverIndex === null
      ? 'no cut-over: nothing is swapped'
      : `undone whole if it fails before step ${plan.cutOverIndex + 1}, only completed from there on`;
  return [
    `bytes to copy  ${formatSize(plan.bytesToCopy)}`,
    `expected       ${durationText(plan.expectedSeconds * 1_000)}`,
    `cut-over       ${cutOver}`,
    `destroys       ${plan.destroys.length === 0 ? 'nothing' : plan.destroys.join(', ')}`,
    `guest feels    ${plan.guestFeels ?? 'nothing'}`,
    `digest         ${plan.digest}`,
  ];
}
