import { type Change, changeSchema, type Plan, planSchema, volumeSchema } from '@flexbso/contracts';
import type { Command } from 'commander';
import { z } from 'zod';
import type { ApiRequest } from '../client/api-client.js';
import { planLines } from '../print/print-plan.js';
import { type CommandContext, wholeNumber } from './context.js';
import { waitForChange } from './wait.js';

const acceptedSchema = z.object({ volume: volumeSchema, change: changeSchema });

/** What every write can be asked for. */
export interface WriteOptions {
  readonly dryRun?: boolean;
  readonly planDigest?: string;
  readonly wait?: boolean;
  readonly timeout: number;
}

/** Ten minutes copy a terabyte from a fast pool; longer is asked for. */
export const defaultTimeoutSeconds = 600;

export function writeOptions(command: Command): Command {
  return command
    .option('--dry-run', 'show the plan and change nothing')
    .option('--plan-digest <digest>', 'only if this is still the plan (the digest that a plan ends with)')
    .option('--wait', 'until the change has settled')
    .option('--timeout <seconds>', 'how long to wait at most', wholeNumber, defaultTimeoutSeconds);
}

/** Sends a write, or asks for its plan, and prints what came of it. */
export async function write(context: CommandContext, request: ApiRequest, options: WriteOptions): Promise<void> {
  if (options.dryRun) return printPlan(context, await planOf(context, request));
  const { client, output } = context;
  const digest: Record<string, string> = options.planDigest === undefined ? {} : { 'plan-digest': options.planDigest };
  const accepted = await client.send({ ...request, headers: { ...digest, ...request.headers } }, acceptedSchema);
  const { volume } = accepted;
  let { change } = accepted;
  if (options.wait) {
    const timeoutMs = options.timeout * 1_000;
    const onProgress = (now: Change) => output.note(progressOf(now));
    change = await waitForChange(client, change.changeId, { timeoutMs, onProgress });
  }
  if (output.format === 'json') return output.line(JSON.stringify({ volume, change }, null, 2));
  output.line(`volume ${volume.name} (${volume.volumeId}), generation ${volume.generation}`);
  output.line(`change ${change.changeId} ${change.state}`);
}

export function progressOf({ changeId, state, waitingFor }: Change): string {
  return `${changeId} ${state}${waitingFor === null ? '' : `: waits for ${waitingFor}`}`;
}

export function planOf({ client }: CommandContext, request: ApiRequest): Promise<Plan> {
  return client.send({ ...request, query: { ...request.query, dryRun: 'true' } }, planSchema);
}

export function printPlan({ output }: CommandContext, plan: Plan): void {
  if (output.format === 'json') return output.line(JSON.stringify(plan, null, 2));
  for (const line of planLines(plan, output.styled)) output.line(line);
}
