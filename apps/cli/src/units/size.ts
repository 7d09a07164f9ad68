const units = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const;
type Unit = keyof typeof units;
const isUnit = (text: string): text is Unit => Object.hasOwn(units, text);

/**
 * A size such as `256MiB`, in bytes. Whole numbers with a binary unit only: `1GB` and `1.5GiB` are read differently by
 * different people, and a number without a unit by everybody.
 * @throws RangeError that says what is wrong
 */
export function parseSize(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,16})([A-Za-z]*)$/.exec(text) ?? [];
  if (digits === '') throw new RangeError(`"${text}" is not a size: a whole number and a unit, such as 256MiB`);
  if (unit === '') throw new RangeError(`"${text}" has no unit: write ${text}MiB, or ${text}B for bytes`);
  if (!isUnit(unit)) throw new RangeError(`"${unit}" is not a unit of sizes: B, KiB, MiB, GiB, TiB`);
  const bytes = Number(digits) * units[unit];
  if (!Number.isSafeInteger(bytes)) throw new RangeError(`"${text}" is larger than can be counted exactly`);
  return bytes;
}

/** Bytes in the largest unit that keeps the number short: `256MiB`, `1.5GiB`; exact when it can be. */
export function formatSize(bytes: number): string {
  const fitting = Object.entries(units).findLast(([, size]) => bytes >= size) ?? (['B', 1] as const);
  const [unit, size] = fitting;
  return `${Number((bytes / size).toFixed(2))}${unit}`;
}
