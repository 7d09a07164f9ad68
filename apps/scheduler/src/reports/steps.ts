import type { AgentRole, Change, PlannedStep, Problem, StepOutcome } from '@flexbso/contracts';
import type { Draft } from '../changes/draft.js';
import { announce } from '../changes/saga.js';

type ChangeStep = Change['steps'][number];

/** The change's schema; a plan of 200 steps with more outcomes than that repeats itself. */
const maxSteps = 200;
/** Enough to tell one failure from another. */
const maxToldText = 200;

/**
 * Takes an agent's step outcomes over into the change. `index` becomes the step's place in the whole plan; a step that
 * the plan does not have (an undo, a healing) is kept after the plan's end.
 *
 * @returns whether the outcomes were overtaken: a message that was under way for long tells of a step as running of which
 * another has told the end since
 */
export function noteSteps(
  draft: Draft,
  actor: ChangeStep['actor'],
  outcomes: readonly StepOutcome[],
  { legId, problem }: { legId: string | null; problem: Problem | null },
): boolean {
  const { change } = draft;
  let isOvertaken = false;
  const places = placesOf(change.plan.steps, actor, legId).filter(({ index }) => isOfStage(change, actor, index));
  for (const outcome of outcomes) {
    const index = placeOf(places, outcome, change.plan.steps.length);
    if (!noteStep(draft, { actor, ...outcome, index }, problem)) isOvertaken = true;
  }
  return isOvertaken;
}

/** False: its end was heard before. */
function noteStep(draft: Draft, step: ChangeStep, problem: Problem | null): boolean {
  const { change } = draft;
  const at = change.steps.findIndex(
    (one) =>
      one.index === step.index &&
      one.actor.role === step.actor.role &&
      one.actor.id === step.actor.id &&
      one.kind === step.kind,
  );
  const before = change.steps[at];
  if (before?.outcome === step.outcome && before.endedAtMs === step.endedAtMs) return true;
  const hasEnded = before !== undefined && before.endedAtMs !== null && before.startedAtMs === step.startedAtMs;
  if (hasEnded && step.outcome === 'running') return false;
  if (before) change.steps[at] = step;
  else if (change.steps.length < maxSteps) change.steps.push(step);
  if (step.outcome !== 'running') tell(draft, step, problem);
  return true;
}

/** Steps past the cut-over are tried for as long as it takes: the same failure again is told once. */
function tell(draft: Draft, step: ChangeStep, problem: Problem | null): void {
  const { change } = draft;
  const actor = `${step.actor.role} ${step.actor.id}`;
  const name = `${actor} ${step.index} ${step.kind}`;
  const how = step.outcome === 'failed' ? `failed: ${problem?.detail ?? ''}`.slice(0, maxToldText) : step.outcome;
  if (change.told?.[name] === how) return;
  change.told = { ...change.told, [name]: how };
  announce(draft, 'step', { step: step.kind, index: step.index, outcome: step.outcome, actor });
}

/** A card counts the steps of each stage from 0. What a pool does to a leg stands once in the whole plan. */
function isOfStage({ plan, next }: Draft['change'], { role }: ChangeStep['actor'], index: number): boolean {
  const { secondStageAt } = plan;
  if (role === 'pool' || secondStageAt === null) return true;
  return next?.isBegun ? index >= secondStageAt : index < secondStageAt;
}

interface Place {
  readonly index: number;
  readonly kind: string;
}

function placesOf(
  steps: readonly PlannedStep[],
  actor: { role: AgentRole; id: string },
  legId: string | null,
): Place[] {
  return steps.flatMap(({ actor: planned, step }, index) => {
    const isTheirs = planned.role === actor.role && planned.id === actor.id;
    const isOfLeg = legId === null || ('legId' in step && step.legId === legId);
    return isTheirs && isOfLeg ? [{ index, kind: step.kind }] : [];
  });
}

/** A card counts its own steps from 0; a pool starts anew with each operation on a leg, so there the kind decides. */
function placeOf(places: readonly Place[], outcome: StepOutcome, planLength: number): number {
  const counted = places[outcome.index];
  if (counted?.kind === outcome.kind) return counted.index;
  return places.find((place) => place.kind === outcome.kind)?.index ?? planLength + outcome.index;
}
