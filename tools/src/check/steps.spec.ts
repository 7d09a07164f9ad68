import { expect, test, vi } from 'vitest';
import { runCommand, runSteps, type Step } from './steps.ts';

const node = process.execPath;

test('every step runs, and those that fail are named', async () => {
  vi.spyOn(console, 'log').mockReturnValue();
  const steps: Step[] = [
    { name: 'first', command: [node, '-e', 'process.exit(3)'] },
    { name: 'second', command: [node, '-e', ''] },
    { name: 'third', command: [node, '-e', 'process.exit(1)'] },
  ];
  expect(await runSteps(steps)).toEqual(['first', 'third']);
});

test('a command that cannot be started fails with a reason', async () => {
  const errors = vi.spyOn(console, 'error').mockReturnValue();
  expect(await runCommand(['flexbso-no-such-program'])).not.toBe(0);
  expect(errors).toHaveBeenCalledWith(expect.stringContaining('flexbso-no-such-program could not be run'));
});

test('a command that hangs is ended and fails', async () => {
  vi.spyOn(console, 'error').mockReturnValue();
  expect(await runCommand([node, '-e', 'setInterval(() => {}, 1000)'], 50)).toBe(1);
});
