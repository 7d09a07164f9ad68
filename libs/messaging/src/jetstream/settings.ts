import type { StreamConfig, StreamInfo } from '@nats-io/jetstream';

/** Settings that a stream must have: the names and units (nanoseconds, bytes) of the server. */
export type StreamSettings = Readonly<Partial<StreamConfig>> & { readonly name: string };

/** The server keeps a stream otherwise than it was asked to: too old for a setting, or refusing to change it. */
export class StreamSettingsError extends Error {
  override readonly name = 'StreamSettingsError';
  readonly code = 'stream_settings_differ';
  readonly stream: string;
  readonly differences: readonly string[];

  constructor(stream: string, differences: readonly string[]) {
    super(`the server keeps ${stream} otherwise than asked: ${differences.join('; ')}`);
    this.stream = stream;
    this.differences = differences;
  }
}

/** What was asked and is not so. An older server accepts newer settings and drops them without a word. */
export function settingDifferences(asked: StreamSettings, returned: StreamInfo['config']): string[] {
  const found = new Map<string, unknown>(Object.entries(returned));
  return Object.entries(asked).flatMap(([setting, value]) => {
    const have = found.get(setting);
    const same = JSON.stringify(have) === JSON.stringify(value) || (have === undefined && isDefault(value));
    return same ? [] : [`${setting} is ${JSON.stringify(have)}, not ${JSON.stringify(value)}`];
  });
}

/** The server leaves zero values out of its answers. */
function isDefault(value: unknown): boolean {
  return value === false || value === 0 || value === '';
}
