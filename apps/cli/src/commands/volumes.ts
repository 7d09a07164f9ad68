import { snapshotSchema, volumeSchema } from '@flexbso/contracts';
import { type Command, Option } from 'commander';
import type { ApiClient, ApiRequest } from '../client/api-client.js';
import {
  agentId,
  type CommandContext,
  type ContextOf,
  functionId,
  labelOption,
  limitOption,
  numberOrNone,
  poolIds,
  sizeOption,
  snapshotPath,
  sizeOrNone,
  volumeName,
  wholeNumber,
} from './context.js';
import {
  attachRequest,
  type AttachOptions,
  changeRequest,
  type ChangeOptions,
  createRequest,
  type CreateOptions,
  deleteRequest,
  detachRequest,
  type FailoverOptions,
  failoverRequest,
} from './volume-requests.js';
import { planOf, printPlan, write, type WriteOptions, writeOptions } from './write.js';

/** What a volume's command asks the API, from its name and options. */
type Asking<Options> = (client: ApiClient, name: string, options: Options) => Promise<ApiRequest>;

const create: Asking<CreateOptions> = async (client, name, options) => {
  const { from } = options;
  if (from === undefined) return createRequest(name, options);
  const { sizeBytes } = await client.get(`/v1/volumes/${from.volume}/snapshots/${from.snapshot}`, snapshotSchema);
  return createRequest(name, { ...options, size: options.size ?? sizeBytes });
};
const change: Asking<ChangeOptions> = async (client, name, options) => changeRequest(await find(client, name), options);
const remove: Asking<object> = async (client, name) => deleteRequest(await find(client, name));

const detach: Asking<object> = async (client, name) => detachRequest(await find(client, name));
const attach: Asking<AttachOptions> = async (client, name, options) => attachRequest(await find(client, name), options);

const failover: Asking<FailoverOptions> = async (client, name, options) =>
  failoverRequest(await find(client, name), options);

const find = (client: ApiClient, name: string) => client.get(`/v1/volumes/${name}`, volumeSchema);

/** `flexbso create|change|delete|detach|attach volume NAME` and `plan` of the first three, and `flexbso failover NAME`. */
export function volumeCommands(program: Command, contextOf: ContextOf): void {
  const writing = <Options>(command: Command, asking: Asking<Options>) =>
    writeOptions(command).action(async (name: string, options: Options & WriteOptions, own: Command) => {
      const context = contextOf(own);
      await write(context, await asking(context.client, name, options), options);
    });
  const under = (verb: string, description: string) => program.command(verb).description(description);
  writing(createOptions(volume(under('create', 'ask for something new'))), create).addHelpText('after', createHelp);
  writing(changeOptions(volume(under('change', 'change it beneath the running guest'))), change).addHelpText(
    'after',
    changeHelp,
  );
  writing(volume(under('delete', 'end it, and everything on its legs')), remove);
  writing(volume(under('detach', 'take it off its card; its legs stay')), detach);
  writing(
    attachOptions(volume(under('attach', 'show it on a card again, or on another function'))),
    attach,
  ).addHelpText('after', attachHelp);
  writing(failoverOptions(under('failover', 'move a volume off its unreachable card')), failover).addHelpText(
    'after',
    failoverHelp,
  );
  planCommands(program, contextOf);
}

function planCommands(program: Command, contextOf: ContextOf): void {
  const plan = program.command('plan').description('show what a create, change or delete would do, step by step');
  const planning = <Options>(command: Command, asking: Asking<Options>) =>
    command.action(async (name: string, options: Options, own: Command) => {
      const context: CommandContext = contextOf(own);
      printPlan(context, await planOf(context, await asking(context.client, name, options)));
    });
  planning(changeOptions(volume(plan)), change).description('the plan of a change; the same as plan change volume');
  planning(createOptions(volume(plan.command('create').description('the plan of a new volume'))), create);
  planning(changeOptions(volume(plan.command('change').description('the plan of a change'))), change);
  planning(volume(plan.command('delete').description('the plan of an end')), remove);
}

const volume = (parent: Command) => parent.command('volume').argument('<name>', "the volume's name or id", volumeName);

function failoverOptions(command: Command): Command {
  return command
    .argument('<name>', "the volume's name or id", volumeName)
    .option('--card <id>', 'to this card; otherwise one is chosen', agentId);
}

function attachOptions(command: Command): Command {
  return command
    .option('--card <id>', 'on this card; otherwise on the one that it was on', agentId)
    .option(
      '--function <id>',
      'on this function; otherwise on the one that it was on, or one that is free',
      functionId,
    );
}

function createOptions(command: Command): Command {
  return command
    .option('--size <size>', 'such as 256MiB; B, KiB, MiB, GiB, TiB', sizeOption)
    .option('--from <volume/snapshot>', 'a clone: of the size and with the layers of that snapshot', snapshotPath)
    .addOption(new Option('--protocol <protocol>', 'how the guest sees it').choices(['nbd', 'virtio-blk', 'nvme']))
    .option('--compression', 'compress it, on the card or on its pools')
    .option('--encryption', 'encrypt it on the card')
    .option('--raid1 <legs>', 'mirror it over this many legs', wholeNumber)
    .option('--safe-read', 'check every read against the other legs of the mirror, and repair what differs')
    .option('--always-redundant', 'refuse every change that would leave it on a stack that a lost leg ends')
    .option('--pool <id>', 'a leg on this pool; once for each leg', poolIds)
    .option('--card <id>', 'on this card', agentId)
    .option('--iops <count>', 'at most this many requests a second', wholeNumber)
    .option('--bandwidth <size>', 'at most this much a second, such as 100MiB', sizeOption)
    .option('--limit <name=value>', 'one limit of reads, writes or a burst; once for each', limitOption)
    .option('--label <key=value>', 'a label; once for each', labelOption);
}

function changeOptions(command: Command): Command {
  return command
    .option('--size <size>', 'grow to this size, such as 1GiB', sizeOption)
    .addOption(new Option('--compression <on|off>', 'compress it, or not').choices(['on', 'off']))
    .addOption(new Option('--encryption <on|off>', 'encrypt it on the card, or not').choices(['on', 'off']))
    .option('--raid1 <legs|none>', 'mirror it over this many legs, or keep it on one', numberOrNone)
    .addOption(
      new Option('--safe-read <on|off>', 'check every read against the other legs of the mirror, or not').choices([
        'on',
        'off',
      ]),
    )
    .option('--rekey', 'encrypt it with a new key')
    .option('--keep-snapshots', 'it is known that its snapshots keep what encryption or a new key is to end')
    .addOption(
      new Option('--always-redundant <on|off>', 'demand redundancy at all times, or no more').choices(['on', 'off']),
    )
    .option('--pool <id>', 'move to this pool; once for each leg', poolIds)
    .addOption(new Option('--any-pool', 'move to where placement prefers, whatever was named before').conflicts('pool'))
    .option('--iops <count|none>', 'at most this many requests a second', numberOrNone)
    .option('--bandwidth <size|none>', 'at most this much a second, such as 100MiB', sizeOrNone)
    .option('--limit <name=value|none>', 'one limit of reads, writes or a burst; once for each', limitOption)
    .option('--label <key=value>', 'add or replace a label; once for each', labelOption);
}

const createHelp = `
Examples:
  flexbso create volume db --size 1GiB --protocol nbd --wait
  flexbso create volume db --size 1GiB --encryption --pool target-d --iops 5000 --label app=shop
  flexbso create volume trial --from db/monday --wait`;
const changeHelp = `
Examples:
  flexbso change volume db --encryption on --wait
  flexbso change volume db --compression on --dry-run
  flexbso change volume db --pool target-e --dry-run
  flexbso change volume db --any-pool --wait
  flexbso change volume db --rekey --wait
  flexbso change volume db --iops none --bandwidth 100MiB
  flexbso change volume db --limit iopsRead=5000 --limit bytesPerSecondWrite=100MiB --limit bytesPerSecondWriteBurst=200MiB`;
const attachHelp = `
Examples:
  flexbso detach volume db --wait
  flexbso attach volume db --card card-2 --dry-run
  flexbso attach volume db --function vf-3 --wait`;
const failoverHelp = `
Every leg is fenced from the old card before the new one opens it: nothing that the old card still writes arrives.
There is no way back once it is accepted.

Examples:
  flexbso failover db --dry-run
  flexbso failover db --card card-2 --wait`;
