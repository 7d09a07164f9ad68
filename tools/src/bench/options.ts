import { parseArgs } from 'node:util';
import { demoClients } from '../demo/changes.js';
import { feltChanges } from './felt-changes.js';

export interface BenchCommand {
  readonly names: readonly string[];
  readonly part: string;
  readonly jsonFile: string | null;
}

export class UsageError extends Error {}

/** What the changes are called of a benchmark that measures several; of another, none. */
function partsOf(name: string): string[] {
  const client = demoClients.find((one) => name === `felt-${one}`);
  return client === undefined ? [] : feltChanges(client, true).map((change) => change.name);
}

/** Throws {@link UsageError} for what it does not know, and for what would measure nothing; null asks for help. */
export function parseBenchOptions(argv: readonly string[], known: readonly string[]): BenchCommand | null {
  const { only, part, json, help } = parse(argv);
  if (help) return null;
  if (only !== undefined && !known.includes(only)) throw new UsageError(`--only ${only}: there is no such benchmark`);
  if (part !== undefined) requirePart(only ?? '', part);
  return { names: only === undefined ? known : [only], part: part ?? '', jsonFile: json ?? null };
}

function requirePart(only: string, part: string): void {
  const parts = partsOf(only);
  if (parts.length === 0)
    throw new UsageError(`--part ${part}: goes with --only ${demoClients.map((one) => `felt-${one}`).join(' or ')}`);
  if (!parts.some((name) => name.includes(part)))
    throw new UsageError(
      `--part ${part}: no change of ${only} is called so; there are:\n${parts.map((name) => `  ${name}`).join('\n')}`,
    );
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        only: { type: 'string' },
        part: { type: 'string' },
        json: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
