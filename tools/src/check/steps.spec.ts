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
  const errors = vi.spyOn(console, 'error').mockReturnValue();
  expect(await runCommand([node, '-e', 'setInterval(() => {}, 1000)'], 50)).toBe(1);
  expect(errors).toHaveBeenLastCalledWith(expect.stringContaining('took more than 0.05 s'));
});

test('a command that ends in order when it is told that it is late fails all the same, and the reason is said', async () => {
  const errors = vi.spyOn(console, 'error').mockReturnValue();
  const ending = "process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000)";
  expect(await runCommand([node, '-e', ending], 1000)).toBe(1);
  expect(errors).toHaveBeenLastCalledWith(expect.stringContaining('took more than 1 s'));
});
