import { describe, expect, it } from 'vitest';
import { UsageError, parseDemoOptions } from './options.js';

describe("the demo's options", () => {
  it('default to everything under a guest', () => {
    expect(parseDemoOptions([])).toEqual({
      client: 'guest',
      database: 'sqlite',
      jsonFile: null,
      only: null,
      planted: null,
      quick: false,
      keep: false,
    });
  });

  it('are refused when they are not known', () => {
    expect(() => parseDemoOptions(['--client', 'teapot'])).toThrow(UsageError);
    expect(() => parseDemoOptions(['--database', 'oracle'])).toThrow('sqlite or postgresql');
    expect(() => parseDemoOptions(['--plant', 'frost'])).toThrow('wrong-byte or failed-io');
    expect(() => parseDemoOptions(['--jsno', 'x'])).toThrow(UsageError);
  });

  it('name the client and the database', () => {
    const options = parseDemoOptions(['--client', 'nbd', '--database', 'postgresql']);
    expect(options).toMatchObject({ client: 'nbd', database: 'postgresql' });
  });

  it('ask for help with --help', () => {
    expect(parseDemoOptions(['--help'])).toBeNull();
  });
});
