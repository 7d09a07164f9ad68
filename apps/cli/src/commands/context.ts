import {
  cardIdSchema,
  functionIdSchema,
  changeIdSchema,
  labelsSchema,
  type QosLimitName,
  qosLimitNameSchema,
  volumeIdSchema,
  volumeNameSchema,
} from '@flexbso/contracts';
import { type Command, InvalidArgumentError } from 'commander';
import type { z } from 'zod';
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

/** Limits that are named one by one; null lifts one. */
export type LimitsByName = Partial<Record<QosLimitName, number | null>>;

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

/** Parsers of names: one that can be nobody's is a wrong command line, and nothing is sent. */
export const named =
  (schema: z.ZodType<string>) =>
  (text: string): string => {
    const parsed = schema.safeParse(text);
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError(
      `"${text}" cannot be one: ${parsed.error.issues[0]?.message ?? 'it has another form'}`,
    );
  };
/** Of a card or a pool. */
export const agentId = named(cardIdSchema);
export const functionId = named(functionIdSchema);
export const changeId = named(changeIdSchema);
export const volumeId = named(volumeIdSchema);
/** A volume's name; its id has the form of a name too. */
export const volumeName = named(volumeNameSchema);

/** `VOLUME/SNAPSHOT`, each by name or id. */
export function snapshotPath(text: string): { volume: string; snapshot: string } {
  const [volume, snapshot, more] = text.split('/');
  if (volume === undefined || snapshot === undefined || more !== undefined)
    throw new InvalidArgumentError(`"${text}" names no snapshot: say VOLUME/SNAPSHOT`);
  return { volume: volumeName(volume), snapshot: volumeName(snapshot) };
}

/** Collects `--label key=value`, given once for each. */
export function labelOption(text: string, before: Record<string, string> = {}): Record<string, string> {
  const [key = '', value, ...more] = text.split('=');
  if (key === '' || value === undefined || more.length > 0) {
    throw new InvalidArgumentError(`"${text}" is not a label: write key=value`);
  }
  return { ...before, [key]: value };
}

/** Collects `--limit name=value`, given once for each; `none` lifts one. */
export function limitOption(text: string, before: LimitsByName = {}): LimitsByName {
  const [name, value, ...more] = text.split('=');
  const known = qosLimitNameSchema.safeParse(name);
  if (!known.success || value === undefined || more.length > 0)
    throw new InvalidArgumentError(
      `"${text}" is not a limit: write name=value, with one of the names ${qosLimitNameSchema.options.join(', ')}`,
    );
  return { ...before, [known.data]: known.data.startsWith('iops') ? numberOrNone(value) : sizeOrNone(value) };
}

/** Collects `--pool ID`, given once for each. */
export const poolIds = (text: string, before: readonly string[] = []): string[] => [...before, agentId(text)];

/** `key=value,key=value`, as a selector is written. */
export function selectorOption(text: string): string {
  for (const pair of text.split(',')) {
    const labels = labelsSchema.safeParse(labelOption(pair));
    if (!labels.success) throw new InvalidArgumentError(labels.error.issues[0]?.message ?? `"${pair}" is not a label`);
  }
  return text;
}
