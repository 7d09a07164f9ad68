import { type Snapshot, snapshotNameSchema, snapshotSchema, volumeSchema } from '@flexbso/contracts';
import type { Command } from 'commander';
import { z } from 'zod';
import type { ApiClient, ApiRequest } from '../client/api-client.js';
import type { Output } from '../print/output.js';
import { type Column, facts, table } from '../print/table.js';
import { stackText, timeText } from '../print/words.js';
import { formatSize } from '../units/size.js';
import { type CommandContext, type ContextOf, named, volumeName, wholeNumber } from './context.js';
import { planOf, printPlan, write, type WriteOptions, writeOptions } from './write.js';

/** A snapshot's name; its id has the form of a name too. */
const snapshotName = named(snapshotNameSchema);

const columns: Column<Snapshot>[] = [
  { title: 'name', value: (one) => one.name },
  { title: 'snapshot', value: (one) => one.snapshotId },
  { title: 'volume', value: (one) => one.volumeName },
  { title: 'state', value: (one) => one.state },
  { title: 'size', value: (one) => formatSize(one.sizeBytes), align: 'right' },
  { title: 'stack', value: (one) => stackText(one.stack.layers) },
  { title: 'pools', value: ({ legs }) => [...new Set(legs.map((leg) => leg.poolId))].join(',') },
  { title: 'asked at', value: (one) => timeText(one.createdAtMs) },
];

/** What a snapshot's command asks the API, from the names of volume and snapshot. */
type Asking = (client: ApiClient, volume: string, snapshot: string) => Promise<ApiRequest>;

const create: Asking = async (client, volume, name) => {
  const { path, headers } = await updateOf(client, volume);
  return { path, headers, method: 'POST', body: { name } };
};

const remove: Asking = async (client, volume, snapshot) => {
  const { path, headers } = await updateOf(client, volume);
  return { path: `${path}/${snapshot}`, headers, method: 'DELETE' };
};

const rollBack: Asking = async (client, name, snapshot) => {
  const { volumeId, generation } = await client.get(`/v1/volumes/${name}`, volumeSchema);
  const headers = { 'if-match': `"${generation}"` };
  return { path: `/v1/volumes/${volumeId}/rollback`, headers, method: 'POST', body: { snapshot } };
};

/** By id, since a name may be another volume's by then. */
async function updateOf(client: ApiClient, name: string) {
  const { volumeId, generation } = await client.get(`/v1/volumes/${name}`, volumeSchema);
  return { path: `/v1/volumes/${volumeId}/snapshots`, headers: { 'if-match': `"${generation}"` } };
}

/**
 * `flexbso create|delete snapshot VOLUME NAME`, `plan` of each, `flexbso rollback volume VOLUME NAME`, and
 * `flexbso get snapshots [VOLUME]` and `flexbso describe snapshot VOLUME NAME`. After all of these.
 */
export function snapshotCommands(program: Command, contextOf: ContextOf): void {
  for (const [verb, what, asking] of [
    ['create', 'freeze what a volume holds, beneath the running guest', create],
    ['delete', 'end a snapshot; what its volume wrote since stays', remove],
  ] as const) {
    const command = snapshot(commandOf(program, verb)).description(what);
    writeOptions(command).action(async (volume: string, name: string, options: WriteOptions, own: Command) => {
      const context = contextOf(own);
      await write(context, await asking(context.client, volume, name), options);
    });
    snapshot(commandOf(commandOf(program, 'plan'), verb))
      .description(`the plan of that: ${what}`)
      .action(async (volume: string, name: string, _options: unknown, own: Command) => {
        const context: CommandContext = contextOf(own);
        printPlan(context, await planOf(context, await asking(context.client, volume, name)));
      });
  }
  const back = program.command('rollback').description('have a detached volume hold what a snapshot of it holds');
  writeOptions(ofSnapshot(back.command('volume')))
    .action(async (volume: string, name: string, options: WriteOptions, own: Command) => {
      const context = contextOf(own);
      await write(context, await rollBack(context.client, volume, name), options);
    })
    .addHelpText('after', rollbackHelp);
  listCommand(commandOf(program, 'get'), contextOf);
  describeSnapshot(commandOf(program, 'describe'), contextOf);
}

const rollbackHelp = `
What the volume held is destroyed, but for what its snapshots hold: --dry-run names each leg and key.
Examples:
  flexbso detach volume db --wait
  flexbso rollback volume db before-upgrade --dry-run
  flexbso rollback volume db before-upgrade --wait
  flexbso attach volume db --wait`;

const snapshot = (parent: Command) => ofSnapshot(parent.command('snapshot'));

const ofSnapshot = (command: Command) =>
  command
    .argument('<volume>', "the volume's name or id", volumeName)
    .argument('<name>', "the snapshot's name or id", snapshotName);

/** Above what a person reads; scripts say what they want. */
const defaultLimit = 1_000;

function listCommand(get: Command, contextOf: ContextOf): void {
  get
    .command('snapshots')
    .argument('[volume]', 'only of this volume', volumeName)
    .option('--limit <count>', 'at most this many', wholeNumber, defaultLimit)
    .action(async (volume: string | undefined, { limit }: { limit: number }, command: Command) => {
      const { client, output } = contextOf(command);
      const ofVolume = z.object({ items: z.array(snapshotSchema) });
      const items =
        volume === undefined
          ? await client.list('/v1/snapshots', snapshotSchema, {}, limit)
          : (await client.get(`/v1/volumes/${volume}/snapshots`, ofVolume)).items;
      if (output.format === 'json') return output.line(JSON.stringify(items, null, 2));
      if (items.length === 0) return output.note('no snapshots');
      for (const line of table(columns, items, output.styled)) output.line(line);
    });
}

function describeSnapshot(describe: Command, contextOf: ContextOf): void {
  snapshot(describe).action(async (volume: string, name: string, _options: unknown, command: Command) => {
    const { client, output } = contextOf(command);
    const item = await client.get(`/v1/volumes/${volume}/snapshots/${name}`, snapshotSchema);
    if (output.format === 'json') return output.line(JSON.stringify(item, null, 2));
    for (const line of snapshotLines(item, output.styled)) output.line(line);
  });
}

const formats = {
  flat: 'flat: its legs hold all of it',
  overlay: 'overlay: what its own legs do not hold is read from those of older stacks',
} as const;

export function snapshotLines(one: Snapshot, styled: Output['styled']): string[] {
  const legs = table(
    [
      { title: 'leg', value: (leg: Snapshot['legs'][number]) => leg.legId },
      { title: 'pool', value: (leg) => leg.poolId },
      { title: 'size', value: (leg) => formatSize(leg.sizeBytes), align: 'right' },
      { title: 'stack of', value: (leg) => leg.stackGeneration, align: 'right' },
      { title: 'its own', value: (leg) => (leg.stackGeneration === one.stackGeneration ? 'yes' : 'no') },
    ],
    one.legs,
    styled,
  );
  const overview = facts({
    name: one.name,
    snapshot: one.snapshotId,
    volume: `${one.volumeName} (${one.volumeId})`,
    state: one.state,
    size: `${formatSize(one.sizeBytes)} (${one.sizeBytes} bytes)`,
    stack: stackText(one.stack.layers),
    format: formats[one.format],
    key: one.keyRef,
    reserves: one.reservations
      .map(({ poolId, capacityBytes }) => `${formatSize(capacityBytes)} of ${poolId}`)
      .join(', '),
    change: one.changeId,
    'asked at': timeText(one.createdAtMs),
  });
  return [...overview, '', ...legs];
}

function commandOf(parent: Command, name: string): Command {
  const command = parent.commands.find((one) => one.name() === name);
  if (!command) throw new Error(`there is no command ${name} yet`);
  return command;
}
