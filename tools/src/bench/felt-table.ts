import type { ChangeUnderLoad } from '../load/change-under-load.js';
import { median } from './measurement.js';
import type { Measurement } from './measurement.js';

/** One kind of change, its repeats, and what they came to. */
export interface FeltChange {
  readonly name: string;
  readonly rows: readonly ChangeUnderLoad[];
  readonly measurements: readonly Measurement[];
}

const titles = ['change', 'longest I/O', 'median', 'p99.9', 'median', 'longest just before, median', ''];

/** What was felt of each change, as a table of Markdown: in ms, every raw value of the longest I/O and of p99.9. */
export function feltTable(changes: readonly FeltChange[]): string {
  const lines = [titles, titles.map((title) => '-'.repeat(Math.max(3, title.length))), ...changes.map(cellsOf)];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function cellsOf({ name, rows, measurements }: FeltChange): string[] {
  const valuesOf = (of: (row: ChangeUnderLoad) => number): string[] => {
    const values = rows.map(of);
    return [values.map((value) => value.toFixed(1)).join(', '), median(values).toFixed(1)];
  };
  return [
    name,
    ...valuesOf((row) => row.longestIoMs),
    ...valuesOf((row) => row.p999IoMs),
    median(rows.map((row) => row.baselineLongestIoMs)).toFixed(1),
    measurements.every(({ holds }) => holds) ? 'holds' : 'misses',
  ];
}
