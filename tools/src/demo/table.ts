import type { ChangeUnderLoad } from '../load/change-under-load.js';

type Column = readonly [title: string, cell: (row: ChangeUnderLoad) => string];

const milliseconds = (value: number): string => value.toFixed(1);
const mebibytes = (bytes: number): string => String(Math.round(bytes / 1024 ** 2));

const columns: readonly Column[] = [
  ['change', (row) => row.name],
  ['steps', (row) => String(row.steps)],
  ['seconds', (row) => row.seconds.toFixed(2)],
  ['copied MiB', (row) => mebibytes(row.bytesCopied)],
  ['longest I/O ms', (row) => milliseconds(row.longestIoMs)],
  ['before ms', (row) => milliseconds(row.baselineLongestIoMs)],
  ['p99.9 ms', (row) => milliseconds(row.p999IoMs)],
  ['failed I/O', (row) => String(row.failedIo)],
  ['wrong bytes', (row) => String(row.wrongBytes)],
];

/** The demo's table, as text: names to the left, numbers to the right. */
export function tableOf(rows: readonly ChangeUnderLoad[]): string {
  const cells = [columns.map(([title]) => title), ...rows.map((row) => columns.map(([, cell]) => cell(row)))];
  const widths = columns.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)));
  const render = (line: readonly string[]): string =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ');
  const [head = [], ...body] = cells;
  return [render(head), widths.map((width) => '-'.repeat(width)).join('  '), ...body.map(render)].join('\n');
}

/** An I/O that takes longer is a failure, however rare: a guest's own time-outs are not far beyond. */
export const LONGEST_IO_LIMIT_MS = 1000;

/** Whether all held: something ran, nothing failed, nothing was wrong, and no I/O took more than a second. */
export const allHeld = (rows: readonly ChangeUnderLoad[]): boolean => rows.length > 0 && rows.every(held);

const held = (row: ChangeUnderLoad): boolean =>
  row.failedIo === 0 && row.wrongBytes === 0 && row.longestIoMs <= LONGEST_IO_LIMIT_MS;
