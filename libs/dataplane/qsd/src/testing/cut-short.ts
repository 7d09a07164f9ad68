import type { CardStep } from '@flexbso/contracts';
import { type PlannedVolume, planCard } from '@flexbso/stack';
import { QsdCardDataPlane } from '../card/qsd-card-data-plane.js';
import { isQuestion } from './questions.js';
import type { TestVolume } from './test-volume.js';

/** Performs the step as an agent does that dies after so many of the commands that change anything; whether it got so far. */
export async function cutShort(volume: TestVolume, step: CardStep, commands: number): Promise<boolean> {
  await volume.site.card.close();
  let sent = 0;
  const dying = new QsdCardDataPlane(volume.site.cardOptions, async (when, command) => {
    if (sent > commands) throw new Error('the agent is dead');
    if (isQuestion(command)) return;
    if (when === 'before' ? sent === commands : ++sent === commands) {
      sent = commands + 1;
      throw new Error('the agent dies');
    }
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
