import {
  type CardSnapshot,
  cardSnapshotSchema,
  type Change,
  changeSchema,
  type Divergence,
  divergenceSchema,
  type LegFault,
  type PoolSnapshot,
  poolSnapshotSchema,
  type Volume,
  volumeSchema,
} from '@flexbso/contracts';
import type { Command } from 'commander';
import type { ApiClient } from '../client/api-client.js';
import { ApiError } from '../client/api-error.js';
import { divergenceLines } from './backups.js';
import type { z } from 'zod';
import type { Output } from '../print/output.js';
import { planLines } from '../print/print-plan.js';
import { facts, table } from '../print/table.js';
import { durationText, labelsText, qosText, stackText, timeText } from '../print/words.js';
import { formatSize } from '../units/size.js';
import { spaceLines } from './space.js';
import { agentId, changeId, type ContextOf, volumeName } from './context.js';
import { lostLines, outageFacts } from './outages.js';
import { findPauses, pauseOf, pauseText } from './pause.js';

type Styled = Output['styled'];

/** `flexbso describe card|pool|volume|change NAME` */
export function describeCommand(program: Command, contextOf: ContextOf): void {
  const describe = program.command('describe').description('everything about one thing');
  const describing = <Item>(
    noun: string,
    schema: z.ZodType<Item>,
    parseName: (text: string) => string,
    lines: (item: Item, styled: Styled) => string[],
    more: (client: ApiClient, name: string, item: Item) => Promise<string[]> = async () => [],
  ) => {
    describe
      .command(noun)
      .argument('<name>', 'its id; a volume also by its name', parseName)
      .action(async (name: string, _options: unknown, command: Command) => {
        const { client, output } = contextOf(command);
        const item = await client.get(`/v1/${noun}s/${name}`, schema);
        if (output.format === 'json') return output.line(JSON.stringify(item, null, 2));
        for (const line of lines(item, output.styled)) output.line(line);
        for (const line of await more(client, name, item)) output.line(line);
      });
  };
  describing('card', cardSnapshotSchema, agentId, cardLines, async (client, id) => [
    ...(await pauseLines(client, id)),
    ...(await differenceLines('card')(client, id)),
  ]);
  describing('pool', poolSnapshotSchema, agentId, poolLines, differenceLines('pool'));
  describing('volume', volumeSchema, volumeName, volumeLines, async (client, name, { volumeId }) => [
    ...(await spaceLines(client, name)),
    ...(await lostLines(client, volumeId)),
  ]);
  describing('change', changeSchema, changeId, changeLines);
}

async function pauseLines(client: ApiClient, cardId: string): Promise<string[]> {
  const pauses = await findPauses(client);
  if (pauses === null) return ['', 'whether its changes are paused is not known: the scheduler does not answer'];
  const pause = pauseOf(pauses, cardId);
  return pause ? ['', `changes: ${pauseText(pause)}`] : [];
}

/** What it has and the restored database does not know so; nothing where it follows the database. */
const differenceLines =
  (role: 'card' | 'pool') =>
  async (client: ApiClient, id: string): Promise<string[]> => {
    const divergence = await differences(client);
    if (typeof divergence === 'string') return ['', divergence];
    if (divergence === null) return [];
    const where = `${role} ${id}`;
    const agents = divergence.agents.filter((one) => one.role === role && one.id === id);
    if (agents.length === 0) return [];
    const volumes = divergence.volumes.filter((one) =>
      one.differences.some((difference) => difference.where === where),
    );
    return [
      '',
      'differences from the restored database:',
      ...divergenceLines({ ...divergence, agents, volumes, volumeCount: volumes.length }),
    ];
  };

/**
 * The API shows them to an admin of no tenant only, and asks the scheduler: the rest of the description is worth as much
 * without them. Null: not for the one who asks; a text: they could not be had, and why.
 */
async function differences(client: ApiClient): Promise<Divergence | string | null> {
  try {
    return await client.get('/v1/differences', divergenceSchema);
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return null;
    if (error instanceof ApiError) return `differences from the database are not known: ${error.message}`;
    throw error;
  }
}

function agentLines(agent: CardSnapshot | PoolSnapshot): string[] {
  const { capabilities, failureDomain, dataPlane } = agent;
  return [
    ...facts({
      state: agent.state,
      'quarantine reason': agent.quarantineReason,
      'unreachable since': timeText(agent.unreachableSinceMs),
      cordoned: agent.cordoned,
      host: agent.hostId,
      rack: failureDomain.rack,
      model: agent.model,
      serial: agent.serial,
      'data plane': `${dataPlane.name} ${dataPlane.version}`,
      agent: agent.agentVersion,
      labels: labelsText(agent.labels),
      registered: timeText(agent.registeredAtMs),
      'last heard': timeText(agent.lastHeardAtMs),
    }),
    '',
    'can:',
    ...capabilities.has.map(({ name, version }) => `  ${name}${version === undefined ? '' : ` ${version}`}`),
    'cannot:',
    ...capabilities.lacks.map(({ name, reason }) => `  ${name}: ${reason}`),
  ];
}

function cardLines(card: CardSnapshot): string[] {
  const { budget } = card;
  return [
    ...facts({
      card: card.cardId,
      functions: card.functions
        .map(({ functionId, protocols }) => `${functionId} (${protocols.join(', ')})`)
        .join('; '),
      budget: `${budget.iops} IOPS, ${formatSize(budget.bytesPerSecond)}/s, ${formatSize(budget.memoryBytes)} memory, ${budget.armCentiCores / 100} cores`,
    }),
    ...agentLines(card),
  ];
}

function poolLines(pool: PoolSnapshot): string[] {
  const { capacityBytes, iops, bytesPerSecond } = pool.budget;
  return [
    ...facts({
      pool: pool.poolId,
      reach: pool.reach,
      budget: `${formatSize(capacityBytes)}, ${iops} IOPS, ${formatSize(bytesPerSecond)}/s`,
    }),
    ...agentLines(pool),
  ];
}

function volumeLines(volume: Volume, styled: Styled): string[] {
  const legs = table(
    [
      { title: 'leg', value: (leg: Volume['legs'][number]) => leg.legId },
      { title: 'pool', value: (leg) => leg.poolId },
      { title: 'size', value: (leg) => formatSize(leg.sizeBytes), align: 'right' },
      { title: 'epoch', value: (leg) => leg.epoch, align: 'right' },
      { title: 'stack of', value: (leg) => leg.stackGeneration, align: 'right' },
      { title: 'state', value: (leg) => leg.state },
      { title: 'carries', value: (leg) => (leg.current ? 'yes' : 'no') },
    ],
    volume.legs,
    styled,
  );
  const overview = facts({
    name: volume.name,
    volume: volume.volumeId,
    tenant: volume.tenantId,
    state: volume.state,
    ...degradedFacts(volume.degraded),
    ...lostFacts(volume),
    size: `${formatSize(volume.sizeBytes)} (${volume.sizeBytes} bytes)`,
    stack: stackText(volume.stack.layers),
    'always redundant': volume.alwaysRedundant ? 'yes' : 'no',
    key: volume.keyRef,
    qos: qosText(volume.qos),
    labels: labelsText(volume.labels),
    attached: volume.attached ? 'yes' : 'no; its legs are kept, and it was last on the card and function below',
    card: volume.cardId,
    function: `${volume.functionId} (${volume.protocol})`,
    uri: volume.uri,
    'former cards': volume.formerCards
      .map(
        ({ cardId, functionId, sinceMs }) =>
          `${cardId} (since ${timeText(sinceMs)}; ${functionId} is taken until it reports)`,
      )
      .join(', '),
    generation: `${volume.generation} wanted, ${volume.appliedGeneration} applied, ${volume.settledGeneration} settled`,
    change: volume.queuedChangeId === null ? volume.changeId : `${volume.changeId}, then ${volume.queuedChangeId}`,
    ...snapshotFacts(volume),
    created: timeText(volume.createdAtMs),
  });
  return [...overview, '', ...legs, ...legFaultLines(volume, styled)];
}

function snapshotFacts({ snapshots, standsOn }: Volume): Record<string, string> {
  const shown = snapshots.map(({ name, snapshotId, state }) => `${name} (${snapshotId}, ${state})`);
  return {
    ...(shown.length === 0 ? {} : { snapshots: shown.join(', ') }),
    ...(standsOn === null ? {} : { 'stands on': `${standsOn.snapshotId} of ${standsOn.volumeId}` }),
  };
}

function lostFacts({ lost, name }: Volume): Record<string, string> {
  if (!lost) return {};
  const way = `nobody knows how its legs belong together: flexbso rollback volume ${name} SNAPSHOT, or delete it`;
  return { lost: `its stack is newer than the backup that was restored, and ${way}` };
}

function degradedFacts(degraded: Volume['degraded']): Record<string, string> {
  if (degraded === null) return {};
  return { degraded: `since ${timeText(degraded.sinceMs)}: bad is ${degraded.legIds.join(', ')}` };
}

function legFaultLines({ legFaults }: Volume, styled: Styled): string[] {
  if (legFaults.length === 0) return [];
  const lines = table(
    [
      { title: 'bad leg', value: (fault: LegFault) => fault.legId },
      { title: 'fault', value: (fault) => fault.kind },
      { title: 'from byte', value: (fault) => fault.offsetBytes, align: 'right' },
      { title: 'within bytes', value: (fault) => fault.lengthBytes, align: 'right' },
      { title: 'findings', value: (fault) => fault.findings, align: 'right' },
      { title: 'first', value: (fault) => timeText(fault.firstAtMs) },
      { title: 'last', value: (fault) => timeText(fault.lastAtMs) },
      { title: 'repaired', value: (fault) => (fault.repaired ? 'yes' : 'no') },
    ],
    legFaults,
    styled,
  );
  return ['', ...lines];
}

function overdueFacts(overdue: Change['overdue']): Record<string, string> {
  if (overdue === null) return {};
  const { step, limitMs, sinceMs } = overdue;
  return { overdue: `since ${timeText(sinceMs)}: ${step} takes longer than its limit of ${durationText(limitMs)}` };
}

const cancelOutcomes = {
  undone: 'it was taken back',
  'cut-over-passed': 'too late, its card had cut over already',
};

function cancelFacts(cancel: Change['cancel']): Record<string, string> {
  if (cancel === null) return {};
  const outcome = cancel.outcome === null ? 'not known yet whether in time' : cancelOutcomes[cancel.outcome];
  return { cancelled: `by ${cancel.by} at ${timeText(cancel.atMs)}: ${outcome}` };
}

export function changeLines(change: Change, styled: Styled): string[] {
  const { progress, problem, appliedAtMs, settledAtMs, createdAtMs } = change;
  const since = (atMs: number | null) =>
    atMs === null ? null : `${timeText(atMs)} (after ${durationText(atMs - createdAtMs)})`;
  const overview = facts({
    change: change.changeId,
    volume: change.volumeId,
    kind: `${change.kind} ${change.differences.join(', ')}`,
    generation: `${change.fromGeneration} to ${change.toGeneration}`,
    state: change.state,
    'waits for':
      change.waitingFor === null ? null : `${change.waitingFor} since ${timeText(change.waitingSinceMs) ?? 'now'}`,
    ...overdueFacts(change.overdue),
    ...cancelFacts(change.cancel),
    progress: progress === null ? null : `${formatSize(progress.doneBytes)} of ${formatSize(progress.totalBytes)}`,
    copied: formatSize(change.bytesCopied),
    problem: problem === null ? null : `${problem.code}: ${problem.detail}`,
    ...outageFacts(change.outage),
    'asked by': change.requestedBy,
    'asked at': timeText(createdAtMs),
    applied: since(appliedAtMs),
    settled: since(settledAtMs),
    trace: change.traceId,
  });
  const done = table(
    [
      { title: 'actor', value: ({ actor }: Change['steps'][number]) => `${actor.role} ${actor.id}` },
      { title: 'step', value: (step) => step.kind },
      { title: 'state', value: (step) => step.outcome },
      {
        title: 'took',
        value: (step) => (step.endedAtMs === null ? null : durationText(step.endedAtMs - step.startedAtMs)),
      },
    ],
    change.steps,
    styled,
  );
  return [...overview, '', 'plan:', ...planLines(change.plan, styled), '', 'so far:', ...done];
}
