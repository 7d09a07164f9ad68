import { describe, expect, it } from 'vitest';
import { facts, table } from './table.js';

const columns = [
  { title: 'name', value: (row: { name: string }) => row.name },
  { title: 'size', value: (row: { size: number | null }) => row.size, align: 'right' as const },
  { title: 'state', value: (row: { state: string }) => row.state },
];
const rows = [
  { name: 'db', size: 5, state: 'ready' },
  { name: 'longer-name', size: null, state: 'failed' },
];

describe('a table', () => {
  it('has titles, columns beneath each other, numbers to the right, and a dash for what is unknown', () => {
    expect(table(columns, rows)).toEqual([
      'NAME         SIZE  STATE',
      'db              5  ready',
      'longer-name     -  failed',
    ]);
  });

  it('colours states without moving columns', () => {
    const styled = table(columns, rows, (style, text) => (style === 'bold' ? text : `<${style}>${text}</>`));
    expect(styled[1]).toBe('db              5  <green>ready</>');
    expect(styled[2]).toBe('longer-name     -  <red>failed</>');
  });
});

describe('facts', () => {
  it('stand beneath each other', () => {
    expect(facts({ name: 'db', cordoned: false, uri: null })).toEqual([
      'name      db',
      'cordoned  false',
      'uri       -',
    ]);
  });
});
