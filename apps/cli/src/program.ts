import { Command, Option } from 'commander';
import { findAddress } from './client/address.js';
import { ApiClient } from './client/api-client.js';
import { backupCommands } from './commands/backups.js';
import { cancelCommand } from './commands/cancel.js';
import { checkCommand } from './commands/check.js';
import type { CommandContext } from './commands/context.js';
import { cordonCommands } from './commands/cordon.js';
import { describeCommand } from './commands/describe.js';
import { getCommand } from './commands/get.js';
import { pauseCommands } from './commands/pause.js';
import { releaseCommand } from './commands/release.js';
import { snapshotCommands } from './commands/snapshots.js';
import { traceCommand } from './commands/trace.js';
import { volumeCommands } from './commands/volumes.js';
import { watchCommand } from './commands/watch.js';
import { type Output, processOutput } from './print/output.js';

interface GlobalOptions {
  readonly server?: string;
  readonly token?: string;
  readonly output: Output['format'];
}

const help = `
Where the API is: --server and --token, or FLEXBSO_SERVER and FLEXBSO_TOKEN, or .flexbso/client.json in this folder or
one above, which 'npm start' writes.

Exit codes: 0 done, 1 refused or failed, 2 wrong command line, 3 nobody answers, 4 waited long enough.

Examples:
  flexbso get volumes -l app=shop
  flexbso create volume db --size 1GiB --protocol nbd --wait
  flexbso plan volume db --encryption on
  flexbso trace chg-0123456789`;

/** The command line. Throws a `CommanderError` instead of ending the process. */
export function makeProgram(): Command {
  const program = new Command('flexbso')
    .description('volumes on DPUs, and changes of the storage stack beneath a running guest')
    .option('--server <url>', 'the API, such as http://127.0.0.1:8080')
    .option('--token <token>', 'who asks; others on this machine see a command line, so rather use FLEXBSO_TOKEN')
    .addOption(
      new Option('-o, --output <format>', 'for people or for programs').choices(['table', 'json']).default('table'),
    )
    .addHelpText('after', help)
    .exitOverride()
    .showHelpAfterError('(--help says more)');
  getCommand(program, contextOf);
  describeCommand(program, contextOf);
  volumeCommands(program, contextOf);
  snapshotCommands(program, contextOf);
  cancelCommand(program, contextOf);
  pauseCommands(program, contextOf);
  watchCommand(program, contextOf);
  traceCommand(program, contextOf);
  checkCommand(program, contextOf);
  backupCommands(program, contextOf);
  cordonCommands(program, contextOf);
  releaseCommand(program, contextOf);
  return program;
}

/** Only when a command runs: help needs no server. */
function contextOf(command: Command): CommandContext {
  const options = command.optsWithGlobals<GlobalOptions>();
  return {
    client: new ApiClient(findAddress(options, process.env, process.cwd())),
    output: processOutput(options.output),
  };
}
