import type { AgentRole } from '@flexbso/contracts';
import type { SchedulerPorts } from '../decisions.js';
import type { Inspection } from './compare.js';

/** Agents asked at the same time: each looks at all that it runs, on cards that carry guests. */
const ASKED_AT_ONCE = 16;

type Ports = Pick<SchedulerPorts, 'fleet' | 'inspections'>;

/** Asks every agent that is known what it observes, and what it was given. Who does not answer is told with its reason. */
export async function inspectAll(ports: Ports): Promise<Inspection[]> {
  const { fleet } = ports;
  const agents = [
    ...[...fleet.cards()].map(({ snapshot }) => ({ role: 'card' as const, id: snapshot.cardId })),
    ...[...fleet.pools()].map(({ snapshot }) => ({ role: 'pool' as const, id: snapshot.poolId })),
  ];
  const inspections: Inspection[] = [];
  for (let from = 0; from < agents.length; from += ASKED_AT_ONCE) {
    const some = agents.slice(from, from + ASKED_AT_ONCE);
    inspections.push(...(await Promise.all(some.map((one) => inspect(ports, one)))));
  }
  return inspections;
}

async function inspect(ports: Ports, { role, id }: { role: AgentRole; id: string }): Promise<Inspection> {
  try {
    return { role, id, answer: await ports.inspections.ask(role, id) };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    return { role, id, answer: { failure: failure.slice(0, 400) } };
  }
}
