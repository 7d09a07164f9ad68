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
  const steps = plan.steps.length === 0 ? [noStepsText(plan)] : table(columns, numbered, styled);
  return [...steps, '', ...reservationLines(plan.reservations, styled), '', ...summary(plan)];
}

function noStepsText({ differences }: Plan): string {
  if (differences.length === 0) return 'no steps: nothing differs';
  return `no steps: no card or pool has to do anything, and at once another is: ${differences.join(', ')}`;
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

function heldOf({ owner, functionIds, before, during, after }: PlanReservation): Held[] {
  const rooms = kinds.map(({ name, what, text }) => ({
    what,
    before: text(before[name]),
    during: text(during[name]),
    after: text(after[name]),
  }));
  const functions = {
    what: 'function',
    before: functionIds.before.join(', '),
    during: functionIds.during.join(', '),
    after: functionIds.after.join(', '),
  };
  return [functions, ...rooms]
    .filter((held) => held.before !== held.during || held.during !== held.after)
    .map((held) => ({ owner: `${owner.role} ${owner.id}`, ...held }));
}

const waysToGrow = { 'in-place': 'where it is', window: 'onto larger legs, through a window' } as const;

const lackText = (lack: Plan['lacks'][number]) =>
  lack === 'crash-safety'
    ? "crash-safety (until it is copied flat, a crash of the card's data plane loses what the guest has not flushed)"
    : lack;

function summary(plan: Plan): string[] {
  const { secondStageAt, grows, destroys } = plan;
  const isUpTo = isWrittenBack(plan) ? 'at most ' : '';
  const stages =
    secondStageAt === null
      ? []
      : [
          `stages         two: what fails from step ${secondStageAt + 1} on is undone to there, where the volume has grown`,
        ];
  return [
    `bytes to copy  ${isUpTo}${formatSize(plan.bytesToCopy)}`,
    `expected       ${isUpTo}${durationText(plan.expectedSeconds * 1_000)}`,
    `cut-over       ${cutOverText(plan)}`,
    ...stages,
    `destroys       ${destroys.length === 0 ? 'nothing' : destroys.join(', ')}`,
    ...(grows === null ? [] : [`grows          ${waysToGrow[grows]}`]),
    ...lackLines(plan),
    `guest feels    ${plan.guestFeels ?? 'nothing'}`,
    `digest         ${plan.digest}`,
  ];
}

/** An overlay is copied into what lies beneath it: no more than was written since, and that is spoilt by the first of it. */
function isWrittenBack({ steps }: Plan): boolean {
  return steps.some(({ step }) => step.kind === 'copy' && step.commits);
}

function cutOverText(plan: Plan): string {
  const { cutOverIndex, secondStageAt } = plan;
  if (cutOverIndex === null) return 'no cut-over: nothing is swapped';
  if (isWrittenBack(plan))
    return `what the guest has is as before if it fails before step ${cutOverIndex + 1}, only completed from there on; the snapshot is spoilt by the first byte that is copied`;
  if (secondStageAt !== null && cutOverIndex >= secondStageAt)
    return `in the second stage, at step ${cutOverIndex + 1}: only completed from there on; the first swaps nothing, and a leg that has grown stays so`;
  return `undone whole if it fails before step ${cutOverIndex + 1}, only completed from there on`;
}

function lackLines({ cutOverIndex, secondStageAt, lacks, lacksAfter }: Plan): string[] {
  const untilSecond = secondStageAt === null ? [] : lacks.filter((one) => !lacksAfter.includes(one));
  // A change from before there was `lacksAfter` names none there.
  const forGood = lacks.filter((one) => !untilSecond.includes(one));
  const since = secondStageAt === null ? 'from the cut-over on' : 'from the first cut-over on, for good';
  return [
    ...lackLine(untilSecond, 'from the first cut-over to the second'),
    ...lackLine(forGood, cutOverIndex === null ? 'once it is done' : since),
  ];
}

function lackLine(lacks: Plan['lacks'], when: string): string[] {
  return lacks.length === 0 ? [] : [`lacks          ${lacks.map(lackText).join(', ')}, ${when}`];
}
