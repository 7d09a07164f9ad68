import { type Command, InvalidArgumentError } from 'commander';
import type { ApiClient } from '../client/api-client.js';
import type { Output } from '../print/output.js';
import { parseSize } from '../units/size.js';

/** What a command works with. */
export interface CommandContext {
  readonly client: ApiClient;
  readonly output: Output;
}

/** Makes the context from the options that every command has; called when a command runs, not when help is asked for. */
export type ContextOf = (command: Command) => CommandContext;

/** Parsers of options: what they refuse ends with exit code 2. */

export function sizeOption(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

export function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`"${text}" is not a whole number above 0`);
}

/** `none` lifts a limit. */
export const numberOrNone = (text: string): number | null => (text === 'none' ? null : wholeNumber(text));
export const sizeOrNone = (text: string): number | null => (text === 'none' ? null : sizeOption(text));

/** Collects `--label key=value`, given once for each. */
export function labelOption(text: string, before: Record<string, string> = {}): Record<string, string> {
  const [key = '', value, ...more] = text.split('=');
  if (key === '' || value === undefined || more.length > 0) {
    throw new InvalidArgumentError(`"${text}" is not a label: write key=value`);
  }
  return { ...before, [key]: value };
}

export const collect = (text: string, before: readonly string[] = []): string[] => [...before, text];
