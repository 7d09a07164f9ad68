import { cardSnapshotSchema, poolSnapshotSchema } from '@flexbso/contracts';
import type { Command } from 'commander';
import type { z } from 'zod';
import { agentId, type ContextOf } from './context.js';

/** `flexbso cordon|uncordon card|pool NAME` */
export function cordonCommands(program: Command, contextOf: ContextOf): void {
  const cordoning = (verb: 'cordon' | 'uncordon', description: string) => {
    const parent = program.command(verb).description(description);
    const of = (noun: 'card' | 'pool', schema: z.ZodType<{ cordoned: boolean }>) => {
      parent
        .command(noun)
        .argument('<name>', `the ${noun}'s id`, agentId)
        .action(async (name: string, _options: unknown, command: Command) => {
          const { client, output } = contextOf(command);
          const path = `/v1/${noun}s/${name}/${verb}`;
          const item = await client.send({ method: 'POST', path }, schema);
          if (output.format === 'json') return output.line(JSON.stringify(item, null, 2));
          output.line(`${noun} ${name} is ${item.cordoned ? 'cordoned' : 'not cordoned'}`);
        });
    };
    of('card', cardSnapshotSchema);
    of('pool', poolSnapshotSchema);
  };
  cordoning('cordon', 'place nothing new there; what runs keeps running');
  cordoning('uncordon', 'place there again');
}
