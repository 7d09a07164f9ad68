import { traceSchema } from '@flexbso/contracts';
import type { Command } from 'commander';
import { waterfallLines } from '../print/waterfall.js';
import { changeId, type ContextOf } from './context.js';

/** `flexbso trace CHANGE` */
export function traceCommand(program: Command, contextOf: ContextOf): void {
  program
    .command('trace')
    .description('the way of a change, from the HTTP request to each call on the data plane')
    .argument('<change>', 'its id, such as chg-0123456789', changeId)
    .action(async (id: string, _options: unknown, command: Command) => {
      const { client, output } = contextOf(command);
      const trace = await client.get(`/v1/changes/${id}/trace`, traceSchema);
      if (output.format === 'json') return output.line(JSON.stringify(trace, null, 2));
      for (const line of waterfallLines(trace)) output.line(line);
    });
}
