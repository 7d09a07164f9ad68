import { type CheckReport, checkReportSchema } from '@flexbso/contracts';
import type { Command } from 'commander';
import { CommandError, exitCodes } from '../exit-codes.js';
import type { Output } from '../print/output.js';
import type { ContextOf } from './context.js';

/** `flexbso check` */
export function checkCommand(program: Command, contextOf: ContextOf): void {
  program
    .command('check')
    .description('compare the database with what every card and pool observes; exit status 1 where they differ')
    .action(async (_options: unknown, command: Command) => {
      const { client, output } = contextOf(command);
      const report = await client.get('/v1/check', checkReportSchema);
      if (output.format === 'json') output.line(JSON.stringify(report, null, 2));
      else show(report, output);
      if (report.differenceCount > 0)
        throw new CommandError(exitCodes.refused, 'what is recorded and what is observed differ');
    });
}

function show(report: CheckReport, output: Output): void {
  const { volumes, legs, agents, underWay, differences, differenceCount } = report;
  for (const { where, id, what } of differences) output.line(`${where}: ${id}: ${what}`);
  const rest = differenceCount - differences.length;
  if (rest > 0) output.line(`and ${rest} more`);
  output.line(
    `${volumes} volumes (${underWay} with a change under way), ${legs} legs, ${agents} agents: ${differenceCount} differences`,
  );
}
