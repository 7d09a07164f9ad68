import {
  type Backup,
  backupListSchema,
  backupNameSchema,
  backupSchema,
  type Divergence,
  divergenceSchema,
  restoredSchema,
  type Settled,
  settledSchema,
} from '@flexbso/contracts';
import type { Command } from 'commander';
import { CommandError, exitCodes } from '../exit-codes.js';
import type { Output } from '../print/output.js';
import { type Column, table } from '../print/table.js';
import { timeText } from '../print/words.js';
import { formatSize } from '../units/size.js';
import { agentId, type ContextOf, named, volumeId, volumeName } from './context.js';

const backupName = named(backupNameSchema);

const backupColumns: Column<Backup>[] = [
  { title: 'backup', value: (backup) => backup.name },
  { title: 'made at', value: (backup) => timeText(backup.createdAtMs) },
  { title: 'volumes', value: ({ counts }) => counts['volume'] ?? 0, align: 'right' },
  { title: 'size', value: (backup) => formatSize(backup.sizeBytes), align: 'right' },
  { title: 'of incarnation', value: (backup) => backup.incarnation },
];

/** `flexbso backup`, `restore`, `adopt`, `delete diverged`, `get backups`, `get differences`. After `get` and `delete`. */
export function backupCommands(program: Command, contextOf: ContextOf): void {
  program
    .command('backup')
    .description("copy the scheduler's database into a file on its machine")
    .argument('[name]', 'without it, after the instant', backupName)
    .action(async (name: string | undefined, _options: unknown, command: Command) => {
      const { client, output } = contextOf(command);
      const body = name === undefined ? {} : { name };
      const backup = await client.send({ method: 'POST', path: '/v1/backups', body }, backupSchema);
      if (output.format === 'json') return output.line(JSON.stringify(backup, null, 2));
      output.line(`backup ${backup.name}: ${backup.counts['volume'] ?? 0} volumes, ${formatSize(backup.sizeBytes)}`);
    });
  program
    .command('restore')
    .description("put a backup in the place of the scheduler's database; what runs goes on as it is")
    .argument('<name>', "the backup's name", backupName)
    .action(async (name: string, _options: unknown, command: Command) => {
      const { client, output } = contextOf(command);
      const restored = await client.send({ method: 'POST', path: `/v1/backups/${name}/restore` }, restoredSchema);
      if (output.format === 'json') return output.line(JSON.stringify(restored, null, 2));
      output.line(`restored ${name} as incarnation ${restored.incarnation}`);
      output.line('cards and pools act on nothing new until what differs is settled: flexbso get differences');
    });
  settleCommands(program, contextOf);
  listCommands(commandOf(program, 'get'), contextOf);
}

interface AdoptOptions {
  readonly name?: string;
  readonly tenant?: string;
}

function settleCommands(program: Command, contextOf: ContextOf): void {
  program
    .command('adopt')
    .description("after a restore: take over what runs, of one volume or of all of a card's or pool's")
    .argument('<id>', "a volume's id, or a card's or pool's", agentId)
    .option('--name <name>', 'of a volume that the database does not know; its id without it', volumeName)
    .option('--tenant <id>', 'of a volume that the database does not know; default without it', agentId)
    .action(async (id: string, { name, tenant }: AdoptOptions, command: Command) => {
      const { client, output } = contextOf(command);
      const body = { ...(name === undefined ? {} : { name }), ...(tenant === undefined ? {} : { tenantId: tenant }) };
      const path = `/v1/differences/${id}/adopt`;
      showSettled(await client.send({ method: 'POST', path, body }, settledSchema), output);
    });
  commandOf(program, 'delete')
    .command('diverged')
    .description('after a restore: end a volume that runs and that the database does not know')
    .argument('<volume>', "the volume's id", volumeId)
    .action(async (id: string, _options: unknown, command: Command) => {
      const { client, output } = contextOf(command);
      const path = `/v1/differences/${id}/delete`;
      showSettled(await client.send({ method: 'POST', path }, settledSchema), output);
    });
}

function showSettled(settled: Settled, output: Output): void {
  if (output.format === 'json') output.line(JSON.stringify(settled, null, 2));
  else {
    for (const { volumeId: id, how, changeId } of settled.settled) output.line(`${id} ${how} (change ${changeId})`);
    for (const { volumeId: id, why } of settled.refused) output.line(`${id} not settled: ${why}`);
    for (const { role, id } of settled.following) output.line(`${role} ${id} follows this database from here on`);
  }
  if (settled.refused.length > 0) throw new CommandError(exitCodes.refused, 'some of it could not be settled');
}

function listCommands(get: Command, contextOf: ContextOf): void {
  get
    .command('backups')
    .description('the backups on the active scheduler, newest first')
    .action(async (_options: unknown, command: Command) => {
      const { client, output } = contextOf(command);
      const { items } = await client.get('/v1/backups', backupListSchema);
      if (output.format === 'json') return output.line(JSON.stringify(items, null, 2));
      if (items.length === 0) return output.note('no backups');
      for (const line of table(backupColumns, items, output.styled)) output.line(line);
    });
  get
    .command('differences')
    .description('after a restore: what runs and is not recorded so, and what can be done about it')
    .argument('[id]', 'only of this volume, card or pool', agentId)
    .action(async (id: string | undefined, _options: unknown, command: Command) => {
      const { client, output } = contextOf(command);
      const divergence = only(await client.get('/v1/differences', divergenceSchema), id);
      if (output.format === 'json') return output.line(JSON.stringify(divergence, null, 2));
      for (const line of divergenceLines(divergence)) output.line(line);
    });
}

function only(divergence: Divergence, id: string | undefined): Divergence {
  if (id === undefined) return divergence;
  const ofVolume = (one: Divergence['volumes'][number]) =>
    one.volumeId === id || one.name === id || one.differences.some(({ where }) => where.endsWith(` ${id}`));
  const volumes = divergence.volumes.filter(ofVolume);
  const agents = divergence.agents.filter((agent) => agent.id === id);
  const unheard = divergence.unheard.filter((agent) => agent.id === id);
  return { ...divergence, unheard, agents, volumes, volumeCount: volumes.length };
}

/** Every difference by volume, with what could be done; then every agent that follows another life. */
export function divergenceLines({ unheard, agents, volumes, volumeCount }: Divergence): string[] {
  const lines = volumes.flatMap(({ volumeId: id, name, since, differences, adopt, delete: ending }) => [
    `${id}${name === null ? '' : ` (${name})`}: ${since} since the backup`,
    ...differences.map(({ where, id: about, what }) => `  ${where}: ${about}: ${what}`),
    `  adopt: ${adopt.can ? '' : 'no: '}${adopt.what}`,
    ...(since === 'created' || ending.can ? [`  delete: ${ending.can ? '' : 'no: '}${ending.what}`] : []),
  ]);
  const rest = volumeCount - volumes.length;
  const more = rest > 0 ? [`and ${rest} more volumes: settle these, and they are shown`] : [];
  const standing = [
    ...agents.map(({ role, id, failure, differences }) =>
      failure === null
        ? `${role} ${id} is diverged: ${differences} volumes to settle`
        : `${role} ${id} was not compared: ${failure}`,
    ),
    ...unheard.map(({ role, id }) => `${role} ${id} has not said yet which life of the database it follows`),
  ];
  return [...lines, ...more, ...(standing.length > 0 ? standing : ['every card and pool follows the database'])];
}

function commandOf(program: Command, name: string): Command {
  const command = program.commands.find((one) => one.name() === name);
  if (!command) throw new Error(`there is no command ${name} yet`);
  return command;
}
