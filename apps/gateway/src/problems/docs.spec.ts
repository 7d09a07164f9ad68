import { readFileSync } from 'node:fs';
import { problemCodes, problemTable } from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';

const manual = readFileSync(new URL('../../../../docs/errors.md', import.meta.url), 'utf8');
/** `| \`code\` | status | meaning | what to do |` */
const rows = [...manual.matchAll(/^\| `([a-z-]+)` +\| (\d{3}) +\| ([^|]+?) *\| ([^|]+?) *\|$/gm)];

describe('docs/errors.md', () => {
  it('has a row for each problem, with its status and title, and what to do', () => {
    const documented = rows.map(([, code, status, title]) => ({ code, status: Number(status), title }));
    const table = problemCodes.map((code) => ({ code, ...problemTable[code] }));
    expect(documented.toSorted(byCode)).toEqual(table.toSorted(byCode));
    for (const [, , , , whatToDo] of rows) expect(whatToDo).toMatch(/^[A-Z].{10,}/);
  });
});

const byCode = (a: { code?: string | undefined }, b: { code?: string | undefined }) =>
  (a.code ?? '').localeCompare(b.code ?? '');
