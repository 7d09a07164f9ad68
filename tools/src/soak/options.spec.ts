import { describe, expect, it } from 'vitest';
import { parseSoakOptions, UsageError } from './options.js';

const parsed = (...argv: string[]) => parseSoakOptions(argv, () => 7);

describe("a soak's options", () => {
  it('take twenty volumes and any seed', () => {
    expect(parsed('--minutes', '60')).toEqual({
      minutes: 60,
      volumes: 20,
      seed: 7,
      planted: [],
      database: 'sqlite',
      jsonFile: null,
      keep: false,
    });
    expect(parsed('--minutes', '0.5', '--seed', '0')).toMatchObject({ minutes: 0.5, seed: 0 });
    expect(parsed('--minutes', '1', '--plant', 'leak', '--plant', 'failed-io')?.planted).toEqual(['leak', 'failed-io']);
    for (const leak of ['process', 'descriptor', 'reservation'])
      expect(parsed('--minutes', '1', '--plant', `leaked-${leak}`)?.planted).toEqual([`leaked-${leak}`]);
  });

  it.each([
    [[], '--minutes'],
    [['--minutes', '0'], '--minutes 0'],
    [['--minutes', 'an hour'], '--minutes an hour'],
    [['--minutes', '1', '--volumes', '46'], '--volumes 46'],
    [['--minutes', '1', '--seed', '1.5'], '--seed 1.5'],
    [['--minutes', '1', '--plant', 'frost'], 'one of wrong-byte, failed-io, leak'],
    [['--minutes', '1', '--database', 'oracle'], 'sqlite or postgresql'],
    [['--hours', '1'], '--hours'],
  ])('are refused as %j', (argv, says) => {
    expect(() => parsed(...argv)).toThrow(UsageError);
    expect(() => parsed(...argv)).toThrow(says);
  });

  it('ask for help with --help', () => {
    expect(parsed('--help')).toBeNull();
  });
});
