import { type Command, Option } from 'commander';
import { followEvents } from '../client/follow-events.js';
import { timeText } from '../print/words.js';
import { type ContextOf, wholeNumber } from './context.js';

interface WatchOptions {
  readonly kind?: string;
  readonly id?: string;
  readonly after?: string;
  readonly count?: number;
}

/** `flexbso watch`: events as they happen, until interrupted. */
export function watchCommand(program: Command, contextOf: ContextOf): void {
  program
    .command('watch')
    .description('what happens, as it happens; resumes after a lost connection without missing any')
    .addOption(
      new Option('--kind <kind>', 'only of this kind').choices(['card', 'pool', 'volume', 'change', 'service']),
    )
    .option('--id <id>', 'only of this card, pool, volume or change')
    .option('--after <event>', 'begin after this event (its number) instead of now', wholeNumberText)
    .option('--count <count>', 'end after this many', wholeNumber)
    .action(async (options: WatchOptions, command: Command) => {
      const { client, output } = contextOf(command);
      const query = { kind: options.kind, id: options.id };
      let seen = 0;
      for await (const followed of followEvents(client, query, options.after ?? null)) {
        if (followed.type === 'gap') {
          output.note(`some events are not kept any more: ${followed.data}`);
          continue;
        }
        const { id, event } = followed;
        const { atMs, kind, what, by, data } = event;
        output.line(
          output.format === 'json'
            ? JSON.stringify({ sequence: Number(id), ...event })
            : `${id}  ${timeText(atMs)}  ${kind} ${event.id} ${what}  by ${by}  ${JSON.stringify(data)}`,
        );
        seen += 1;
        if (options.count !== undefined && seen >= options.count) return;
      }
    });
}

/** Zero begins with the first event that is kept. */
const wholeNumberText = (text: string) => (text === '0' ? text : String(wholeNumber(text)));
