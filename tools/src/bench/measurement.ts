/** One figure, what it is held against, and whether it reaches it. The field names are those of the JSON. */
export interface Measurement {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Measured in the same run; null where the reach is a fixed number. */
  readonly comparedWith: { readonly name: string; readonly value: number } | null;
  /** The most that the value may be: a number of the same unit, or for a ratio to `comparedWith` as `x1.2`. */
  readonly reach: string;
  readonly holds: boolean;
}

/** A figure that may be at most a fixed number. */
export const atMost = (name: string, value: number, unit: string, most: number): Measurement => ({
  name,
  value,
  unit,
  comparedWith: null,
  reach: `${most} ${unit}`,
  holds: value <= most,
});

/** A figure that may be at most so many times another of the same run. */
export const atMostTimes = (
  name: string,
  value: number,
  unit: string,
  comparedWith: { readonly name: string; readonly value: number },
  times: number,
): Measurement => ({ name, value, unit, comparedWith, reach: `x${times}`, holds: value <= times * comparedWith.value });

/** The value below which the given share of the values lies; values need not be sorted, and there is at least one. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new Error('a percentile of no values');
  return value;
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);
