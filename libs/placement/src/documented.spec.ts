import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { cardConstraints, poolConstraints } from './index.js';

const manual = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
/** `| \`word\` | cards | it is excluded, since |` */
const rows = [...manual.matchAll(/^\| `([a-z-]+)` +\| (cards|pools) \| ([^|]+?) *\|$/gm)];

it('every word with which placement excludes is explained in docs/errors.md, and no other', () => {
  const words = [
    ...cardConstraints.map((word) => `${word} of cards`),
    ...poolConstraints.map((word) => `${word} of pools`),
  ];
  expect(rows.map(([, word, subject]) => `${word} of ${subject}`)).toEqual(words);
  for (const [, , , why] of rows) expect(why?.length).toBeGreaterThan(10);
});
