import { describe, expect, it } from 'vitest';
import { parseBenchOptions, UsageError } from './options.js';

const known = ['swap', 'felt-nbd', 'felt-guest'];
const parsed = (...argv: string[]) => parseBenchOptions(argv, known);

describe("a benchmark's options", () => {
  it('measure everything unless one is named, and all of it unless a part is', () => {
    expect(parsed()).toEqual({ names: known, part: '', jsonFile: null });
    expect(parsed('--only', 'felt-nbd', '--part', 'QoS')).toMatchObject({ names: ['felt-nbd'], part: 'QoS' });
    expect(parsed('--help')).toBeNull();
  });

  it.each([
    [['--only', 'teapot'], 'there is no such benchmark'],
    [['--part', 'QoS'], 'goes with --only felt-guest or felt-nbd'],
    [['--only', 'swap', '--part', 'QoS'], 'goes with --only felt-guest or felt-nbd'],
    [['--only', 'felt-nbd', '--part', 'teapot'], 'there are:\n  QoS set'],
    [['--fast'], '--fast'],
  ])('are refused where nothing would be measured: %j', (argv, says) => {
    expect(() => parsed(...argv)).toThrow(UsageError);
    expect(() => parsed(...argv)).toThrow(says);
  });
});
