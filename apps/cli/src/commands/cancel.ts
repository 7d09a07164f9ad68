import { type Change, changeSchema } from '@flexbso/contracts';
import type { Command } from 'commander';
import { CommandError, exitCodes } from '../exit-codes.js';
import { changeId, type ContextOf, wholeNumber } from './context.js';
import { defaultTimeoutSeconds, progressOf } from './write.js';
import { waitForEnd } from './wait.js';

interface CancelOptions {
  readonly wait?: true;
  readonly timeout: number;
}

/** `flexbso cancel CHANGE` */
export function cancelCommand(program: Command, contextOf: ContextOf): void {
  program
    .command('cancel')
    .description('take a change back, as long as it has not cut over')
    .argument('<change>', "the change's id", changeId)
    .option('--wait', 'until it is known what came of it; fails when the change was completed after all')
    .option('--timeout <seconds>', 'how long to wait at most', wholeNumber, defaultTimeoutSeconds)
    .action(async (name: string, options: CancelOptions, command: Command) => {
      const { client, output } = contextOf(command);
      let change = await client.send({ method: 'POST', path: `/v1/changes/${name}/cancel` }, changeSchema);
      if (options.wait)
        change = await waitForEnd(client, name, {
          timeoutMs: options.timeout * 1_000,
          onProgress: (now) => output.note(progressOf(now)),
        });
      if (output.format === 'json') output.line(JSON.stringify(change, null, 2));
      else output.line(`change ${name} ${change.state}${outcomeText(change)}`);
      if (options.wait && change.state !== 'undone' && change.state !== 'refused')
        throw new CommandError(exitCodes.refused, `${name} was not taken back: it is ${change.state}`);
    });
}

function outcomeText({ cancel, state }: Change): string {
  switch (cancel?.outcome) {
    case 'undone':
      return ': taken back';
    case 'cut-over-passed':
      return ': the cancel came too late, its card had cut over already';
    default:
      return state === 'undoing' ? '' : ': its card will say whether it can still be taken back';
  }
}
