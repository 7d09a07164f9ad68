import { type Output, styleOfState } from './output.js';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | null;
  /** Numbers are easier to compare when their ends are beneath each other. */
  readonly align?: 'left' | 'right';
}

/** Rows beneath their titles; what is unknown is `-`. The last column is not padded. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  styled: Output['styled'] = (_style, text) => text,
): string[] {
  const cells = rows.map((row) => columns.map(({ value }) => textOf(value(row))));
  const widths = columns.map(({ title }, at) => Math.max(title.length, ...cells.map((row) => row[at]?.length ?? 0)));
  const pad = (text: string, at: number) => {
    const width = widths[at] ?? 0;
    if (columns[at]?.align === 'right') return text.padStart(width);
    return at === columns.length - 1 ? text : text.padEnd(width);
  };
  const head = columns.map(({ title }, at) => pad(title.toUpperCase(), at)).join('  ');
  const body = cells.map((row) =>
    row
      .map((text, at) => {
        const style = columns[at]?.title === 'state' ? styleOfState(text) : null;
        return style === null ? pad(text, at) : styled(style, pad(text, at));
      })
      .join('  '),
  );
  return [styled('bold', head), ...body];
}

const textOf = (value: string | number | null) => (value === null || value === '' ? '-' : String(value));

/** Named values beneath each other, for one thing. */
export function facts(values: Readonly<Record<string, string | number | boolean | null>>): string[] {
  const width = Math.max(...Object.keys(values).map((name) => name.length));
  return Object.entries(values).map(
    ([name, value]) => `${name.padEnd(width)}  ${value === null || value === '' ? '-' : value}`,
  );
}
