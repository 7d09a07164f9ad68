import { spawn } from 'node:child_process';

/** A command that either holds or does not. */
export interface Step {
  /** What is checked, in a word or two. */
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
}

/** What `npm run check` checks, in order: linting by types needs what the first step builds. */
export const checkSteps: readonly Step[] = [
  { name: 'types', command: ['tsc', '-b'] },
  { name: 'lint', command: ['oxlint', '.'] },
  { name: 'format', command: ['oxfmt', '--list-different', '.'] },
  { name: 'boundaries', command: ['node', 'tools/src/check/boundaries/main.ts'] },
];

// The slowest step builds everything from nothing in under a minute on two busy cores; ten minutes is a hang.
const stepTimeoutMs = 600_000;

/**
 * Runs a step's command, its output going to where ours goes, without input.
 *
 * @returns the exit status; 1 when it could not be started, was killed, or took longer than timeoutMs
 */
export function runCommand(command: Step['command'], timeoutMs = stepTimeoutMs): Promise<number> {
  const [program, ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      child.kill();
    }, timeoutMs);
    child.once('error', (error) => {
      clearTimeout(late);
      console.error(`${program} could not be run: ${error.message}`);
      resolve(1);
    });
    child.once('close', (status, signal) => {
      clearTimeout(late);
      // It may say of itself how it ended, and then there is no signal.
      if (isLate) console.error(`${program} took more than ${timeoutMs / 1000} s and was ended`);
      else if (signal !== null) console.error(`${program} was ended by ${signal}`);
      resolve(isLate ? 1 : (status ?? 1));
    });
  });
}

/** Runs every step, also after one that failed, and says what it does. Resolves to the names of those that failed. */
export async function runSteps(steps: readonly Step[]): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, command } of steps) {
    console.log(`\n--- ${name}: ${command.join(' ')}`);
    const started = performance.now();
    // One after the other: each uses every core itself, and a later one may need what an earlier one made.
    // oxlint-disable-next-line no-await-in-loop
    const holds = (await runCommand(command)) === 0;
    if (!holds) failed.push(name);
    console.log(`${name}: ${holds ? 'ok' : 'FAILED'} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  }
  return failed;
}
