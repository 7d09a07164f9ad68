import type { CardStep } from '@flexbso/contracts';
import { type PlannedVolume, planCard } from '@flexbso/stack';
import { QsdCardDataPlane } from '../card/qsd-card-data-plane.js';
import { isQuestion } from './questions.js';
import type { TestVolume } from './test-volume.js';

/**
 * Performs the step as an agent does that dies after so many of the commands that change anything, or right after this
 * one; whether it got so far.
 */
export async function cutShort(volume: TestVolume, step: CardStep, at: number | string): Promise<boolean> {
  await volume.site.card.close();
  let [sent, isDead] = [0, false];
  const dying = new QsdCardDataPlane(volume.site.cardOptions, async (when, command) => {
    if (!isQuestion(command)) {
      if (when === 'after') sent++;
      isDead ||= sent === at || (when === 'after' && command === at);
    }
    if (isDead) throw new Error('the agent is dead');
  });
  const [outcome] = await Promise.allSettled([dying.perform(volume.volumeId, step, volume.context())]);
  await dying.close();
  await volume.site.restartCard();
  return outcome.status === 'rejected';
}

/** What an agent does that comes anew: it plans from what is observed. */
export async function stepsFromNow(volume: TestVolume, desired: PlannedVolume): Promise<CardStep[]> {
  const { capabilities } = await volume.site.card.discover();
  const observed = await volume.observe();
  const plan = planCard({ cardId: 'card-1', observed, desired, appliedStackGeneration: 1, capabilities });
  if (!plan.ok) throw new Error(plan.problem.detail);
  return plan.steps.map(({ step }) => step);
}
