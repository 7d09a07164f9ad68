import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProblemError } from '@flexbso/contracts';
import type { Problem } from '@flexbso/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { busConfigSchema, listenSchema, readConfiguration } from './index.js';

const schema = z.strictObject({
  nats: busConfigSchema,
  listen: listenSchema,
  beatMs: z.int().min(100).default(5_000),
});
const least = { nats: { servers: ['nats://127.0.0.1:4222'], seedFile: '/seed' }, listen: { port: 0 } };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flexbso-configuration-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function fileWith(text: string): string {
  const path = join(folder, 'service.json');
  writeFileSync(path, text);
  return path;
}

function problemOf(path: string): Problem {
  try {
    readConfiguration(path, schema);
  } catch (error) {
    if (error instanceof ProblemError) return error.problem;
    throw error;
  }
  throw new Error(`${path} was not refused`);
}

describe('reading a configuration', () => {
  it('gives what the file says, and the default of what it leaves out', () => {
    expect(readConfiguration(fileWith(JSON.stringify(least)), schema)).toEqual({
      nats: least.nats,
      listen: { host: '127.0.0.1', port: 0 },
      beatMs: 5_000,
    });
  });

  it('gives what nobody can change, in its depths too', () => {
    const configuration = readConfiguration(fileWith(JSON.stringify(least)), schema);
    expect(() => Object.assign(configuration, { beatMs: 1 })).toThrow(TypeError);
    expect(() => configuration.nats.servers.push('another')).toThrow(TypeError);
  });

  it('names the file and every field that is wrong, missing or unknown', () => {
    const path = fileWith(JSON.stringify({ nats: { servers: [] }, listen: { port: 70_000 }, colour: 'blue' }));
    const { code, detail, errors } = problemOf(path);
    expect(code).toBe('invalid-request');
    expect(errors?.map((field) => field.path)).toEqual(['nats.servers', 'nats.seedFile', 'listen.port', '']);
    for (const name of [path, 'nats.servers', 'nats.seedFile', 'listen.port', 'colour']) expect(detail).toContain(name);
  });

  it('bounds what it says of a file in which nearly everything is wrong', () => {
    const servers = Array.from({ length: 16 }, () => '');
    const unknown = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`misspelt${index}`, index]));
    expect(problemOf(fileWith(JSON.stringify({ nats: { servers }, ...unknown }))).detail.length).toBeLessThan(4001);
  });

  it('says where a file stops being JSON, without repeating what stands there', () => {
    const path = fileWith('{\n  "databaseUrl": "postgres://me:hunter2@db/x"\n  "port": 1\n}');
    expect(problemOf(path)).toEqual({
      code: 'malformed-json',
      detail: `${path} is not JSON: look at line 3, column 3`,
    });
    const quoted = fileWith('{"password": hunter2}');
    expect(problemOf(quoted)).toEqual({ code: 'malformed-json', detail: `${quoted} is not JSON` });
  });

  it('names the path of a file that is not there, and of one that cannot be read', () => {
    const missing = join(folder, 'missing.json');
    for (const path of [missing, folder]) {
      const { code, detail } = problemOf(path);
      expect(code).toBe('not-found');
      expect(detail).toContain(`${path} cannot be read: `);
    }
    expect(problemOf(missing).detail).toContain('no such file');
  });
});
