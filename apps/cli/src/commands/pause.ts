import { type Pause, type PauseList, pauseListSchema } from '@flexbso/contracts';
import type { Command } from 'commander';
import type { ApiClient } from '../client/api-client.js';
import { ApiError } from '../client/api-error.js';
import { CommandError, exitCodes } from '../exit-codes.js';
import { timeText } from '../print/words.js';
import { agentId, type CommandContext, type ContextOf } from './context.js';

/** `flexbso pause|resume card CARD`, `flexbso pause|resume --all` */
export function pauseCommands(program: Command, contextOf: ContextOf): void {
  const pausing = (verb: 'pause' | 'resume', description: string) => {
    const parent = program
      .command(verb)
      .description(description)
      .option('--all', 'all changes of the fleet')
      .action(async (options: { all?: true }, command: Command) => {
        if (!options.all)
          throw new CommandError(exitCodes.usage, `flexbso ${verb} card CARD, or flexbso ${verb} --all`);
        await send(contextOf(command), verb, null);
      });
    parent
      .command('card')
      .description("the changes of a card's volumes")
      .argument('<name>', "the card's id", agentId)
      .action((name: string, _options: unknown, command: Command) => send(contextOf(command), verb, name));
  };
  pausing('pause', 'begin no further step of any change; what is under way comes to a safe place first');
  pausing('resume', 'let what was paused go on');
}

async function send({ client, output }: CommandContext, verb: string, cardId: string | null): Promise<void> {
  const path = cardId === null ? `/v1/${verb}` : `/v1/cards/${cardId}/${verb}`;
  const pauses = await client.send({ method: 'POST', path }, pauseListSchema);
  if (output.format === 'json') return output.line(JSON.stringify(pauses, null, 2));
  if (pauses.items.length === 0) return output.line('nothing is paused');
  for (const pause of pauses.items) output.line(pauseText(pause));
}

export function pauseText({ cardId, by, sinceMs }: Pause): string {
  return `${cardId === null ? 'the fleet' : `card ${cardId}`} is paused by ${by} since ${timeText(sinceMs)}`;
}

/** Null: it could not be learned, which is no reason to show less of cards. */
export async function findPauses(client: ApiClient): Promise<PauseList | null> {
  try {
    return await client.send({ method: 'GET', path: '/v1/pauses', isTriedOnce: true }, pauseListSchema);
  } catch (error) {
    if (error instanceof ApiError) return null;
    throw error;
  }
}

/** What holds a card's changes: the fleet's pause before its own; null: nothing does. */
export function pauseOf({ items }: PauseList, cardId: string): Pause | null {
  return items.find((pause) => pause.cardId === null) ?? items.find((pause) => pause.cardId === cardId) ?? null;
}
