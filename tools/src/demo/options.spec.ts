import { describe, expect, it } from 'vitest';
import { UsageError, parseDemoOptions } from './options.js';

describe("the demo's options", () => {
  it('default to everything over NBD', () => {
    expect(parseDemoOptions([])).toEqual({ jsonFile: null, only: null, planted: null, keep: false });
  });

  it('are refused when they are not known', () => {
    expect(() => parseDemoOptions(['--client', 'guest'])).toThrow(UsageError);
    expect(() => parseDemoOptions(['--plant', 'frost'])).toThrow('wrong-byte or failed-io');
    expect(() => parseDemoOptions(['--jsno', 'x'])).toThrow(UsageError);
  });

  it('ask for help with --help', () => {
    expect(parseDemoOptions(['--help'])).toBeNull();
  });
});
