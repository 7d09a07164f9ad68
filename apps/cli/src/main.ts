import { CommanderError } from 'commander';
import { ApiError, UnreachableError } from './client/api-error.js';
import { CommandError, type ExitCode, exitCodes } from './exit-codes.js';
import { makeProgram } from './program.js';

/** Runs one command line, without the program's own name. @returns the exit code */
export async function run(args: readonly string[]): Promise<ExitCode> {
  process.stdout.once('error', endOfReader);
  try {
    await makeProgram().parseAsync([...args], { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    return explained(error);
  }
}

/** `flexbso get volumes | head -1`: who read has enough, which is no failure. */
function endOfReader(error: Error): void {
  if ('code' in error && error.code === 'EPIPE') process.exit(exitCodes.ok);
  throw error;
}

function explained(error: unknown): ExitCode {
  // Help and version end like this too; commander has said what is wrong.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof CommandError) return say(error.message, error.exitCode);
  if (error instanceof UnreachableError) return say(error.message, exitCodes.unreachable);
  if (error instanceof ApiError) return say(...refusal(error));
  return say(error instanceof Error ? (error.stack ?? error.message) : String(error), exitCodes.refused);
}

function refusal({ message, status, problem }: ApiError): [string, ExitCode] {
  const fields = (problem.errors ?? []).map(
    ({ path, message: what }) => `  ${path === '' ? 'the whole' : path}: ${what}`,
  );
  const trace = problem.traceId === undefined ? [] : [`  trace ${problem.traceId}`];
  const isAway = status === 502 || status === 503 || status === 504;
  return [[message, ...fields, ...trace].join('\n'), isAway ? exitCodes.unreachable : exitCodes.refused];
}

function say(message: string, code: ExitCode): ExitCode {
  process.stderr.write(`flexbso: ${message}\n`);
  return code;
}
