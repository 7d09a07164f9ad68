import { cardSnapshotSchema, poolSnapshotSchema } from '@flexbso/contracts';
import type { Command } from 'commander';
import type { z } from 'zod';
import { agentId, type ContextOf } from './context.js';

/** `flexbso release card|pool NAME` */
export function releaseCommand(program: Command, contextOf: ContextOf): void {
  const parent = program
    .command('release')
    .description('end a quarantine, after a look at its reason; takes a changed sealing key over');
  const of = (noun: 'card' | 'pool', schema: z.ZodType<{ state: string }>) => {
    parent
      .command(noun)
      .argument('<name>', `the ${noun}'s id`, agentId)
      .action(async (name: string, _options: unknown, command: Command) => {
        const { client, output } = contextOf(command);
        const item = await client.send({ method: 'POST', path: `/v1/${noun}s/${name}/release` }, schema);
        if (output.format === 'json') return output.line(JSON.stringify(item, null, 2));
        output.line(`${noun} ${name} is ${item.state}`);
      });
  };
  of('card', cardSnapshotSchema);
  of('pool', poolSnapshotSchema);
}
