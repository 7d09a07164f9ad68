import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const configuration = new URL('../../../.oxlintrc.json', import.meta.url).pathname;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flexbso-lint-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function lint(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  const linter = spawnSync('oxlint', ['--config', configuration, folder], { encoding: 'utf8' });
  return linter.status === 0 ? '' : linter.stdout;
}

const lines = (count: number): string => "console.log('line');\n".repeat(count);

test.each([
  ['no-explicit-any', 'export const value: any = 1;\n'],
  ['no-non-null-assertion', 'export const first = (list: string[]): string => list[0]!;\n'],
  ['no-empty', "export function swallow(): void {\n  try {\n    JSON.parse('');\n  } catch {}\n}\n"],
  ['ban-ts-comment', "// @ts-ignore\nexport const value: number = '';\n"],
  ['parameter-properties', 'export class Card {\n  constructor(readonly id: string) {}\n}\n'],
  ['max-lines', lines(401)],
  ['max-lines-per-function', `export function long(): void {\n${lines(71)}}\n`],
])('the linter refuses what %s is about', (rule, text) => {
  expect(lint('source.ts', text)).toContain(`(${rule})`);
});

test.each([
  ['no-focused-tests', "import { test } from 'vitest';\ntest.only('one', () => {});\n"],
  ['no-disabled-tests', "import { test } from 'vitest';\ntest.skip('one', () => {});\n"],
])('the linter refuses what %s is about in a spec', (rule, text) => {
  expect(lint('source.spec.ts', text)).toContain(`(${rule})`);
});

test('a source of ordinary size that does none of this passes', () => {
  expect(lint('source.ts', `export function short(): void {\n${lines(60)}}\n`)).toBe('');
});
