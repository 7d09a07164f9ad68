import type { Plan, PlanReservation, Room, ShownStep } from '@flexbso/contracts';
import { formatSize } from '../units/size.js';
import type { Output } from './output.js';
import { table } from './table.js';
import { durationText } from './words.js';

/**
 * A plan, step by step: who does what, how it is undone, where the cut-over is, what is destroyed; then what it takes
 * of cards and pools, and what it comes to as a whole.
 */
export function planLines(plan: Plan, styled: Output['styled']): string[] {
  const numbered = plan.steps.map((step, index) => ({ ...step, index }));
  const columns = [
    { title: '#', value: (step: { index: number }) => step.index + 1, align: 'right' as const },
    { title: 'actor', value: ({ actor }: ShownStep) => `${actor.role} ${actor.id}` },
    { title: 'step', value: ({ step }: ShownStep) => step.kind },
    { title: 'undo', value: ({ undo }: ShownStep) => undo },
    { title: 'cut-over', value: ({ cutOver }: ShownStep) => (cutOver ? 'HERE' : '') },
    { title: 'destroys', value: ({ destroys }: ShownStep) => destroys.join(', ') },
    {
      title: 'takes',
      value: ({ expectedSeconds }: ShownStep) => durationText(expectedSeconds * 1_000),
      align: 'right' as const,
    },
    { title: 'what it does', value: ({ does }: ShownStep) => does },
  ];
  const steps = plan.steps.length === 0 ? ['no steps: nothing differs'] : table(columns, numbered, styled);
  return [...steps, '', ...reservationLines(plan.reservations, styled), '', ...summary(plan)];
}

interface Held {
  readonly owner: string;
  readonly what: string;
  readonly before: string;
  readonly during: string;
  readonly after: string;
}

/** What is held of cards and pools, as far as the change makes it another; what stays is in the JSON. */
function reservationLines(reservations: readonly PlanReservation[], styled: Output['styled']): string[] {
  const held = reservations.flatMap(heldOf);
  if (held.length === 0) return ['reserves what it has now, and nothing more'];
  const columns = [
    { title: 'reserves', value: ({ owner }: Held) => owner },
    { title: 'what', value: ({ what }: Held) => what },
    { title: 'before', value: ({ before }: Held) => before, align: 'right' as const },
    { title: 'during', value: ({ during }: Held) => during, align: 'right' as const },
    { title: 'after', value: ({ after }: Held) => after, align: 'right' as const },
  ];
  return table(columns, held, styled);
}

const kinds: readonly { name: keyof Room; what: string; text: (amount: number) => string }[] = [
  { name: 'capacityBytes', what: 'capacity', text: formatSize },
  { name: 'iops', what: 'IOPS', text: String },
  { name: 'bytesPerSecond', what: 'bandwidth', text: (amount) => `${formatSize(amount)}/s` },
  { name: 'memoryBytes', what: 'memory', text: formatSize },
  { name: 'armCentiCores', what: 'ARM cores', text: (amount) => (amount / 100).toFixed(2) },
];

function heldOf({ owner, before, during, after }: PlanReservation): Held[] {
  return kinds
    .filter(({ name }) => before[name] !== during[name] || during[name] !== after[name])
    .map(({ name, what, text }) => ({
      owner: `${owner.role} ${owner.id}`,
      what,
      before: text(before[name]),
      during: text(during[name]),
      after: text(after[name]),
    }));
}

const waysToGrow = { 'in-place': 'where it is', window: 'onto larger legs, through a window' } as const;

const lackText = (lack: Plan['lacks'][number]) =>
  lack === 'crash-safety'
    ? "crash-safety (until it is copied flat, a crash of the card's data plane loses what the guest has not flushed)"
    : lack;

function summary(plan: Plan): string[] {
  const { secondStageAt, lacks } = plan;
  const cutOver =
    plan.cutOverIndex === null
      ? 'no cut-over: nothing is swapped'
      : `undone whole if it fails before step ${plan.cutOverIndex + 1}, only completed from there on`;
  const stages =
    secondStageAt === null
      ? []
      : [
          `stages         two: what fails from step ${secondStageAt + 1} on is undone to there, where the volume has grown`,
        ];
  const lackedFor = secondStageAt === null ? 'from the cut-over on' : 'from the first cut-over to the second';
  return [
    `bytes to copy  ${formatSize(plan.bytesToCopy)}`,
    `expected       ${durationText(plan.expectedSeconds * 1_000)}`,
    `cut-over       ${cutOver}`,
    ...stages,
    `destroys       ${plan.destroys.length === 0 ? 'nothing' : plan.destroys.join(', ')}`,
    ...(plan.grows === null ? [] : [`grows          ${waysToGrow[plan.grows]}`]),
    ...(lacks.length === 0 ? [] : [`lacks          ${lacks.map(lackText).join(', ')}, ${lackedFor}`]),
    `guest feels    ${plan.guestFeels ?? 'nothing'}`,
    `digest         ${plan.digest}`,
  ];
}
