/** One I/O as fio's latency log gives it. `endedAtMs` is Unix time; fio logs at completion. */
export interface LoggedIo {
  readonly endedAtMs: number;
  readonly latencyMs: number;
}

/** Latencies of a window of time: what a client felt in it. */
export interface FeltLatency {
  readonly ioCount: number;
  readonly longestIoMs: number;
  readonly p999IoMs: number;
}

/**
 * Parses a latency log of fio (`write_lat_log` with `log_unix_epoch=1` and no averaging): a line an
 * I/O, `time in ms, latency in ns, direction, block size, offset or priority`.
 */
export function parseLatencyLog(text: string): LoggedIo[] {
  const ios: LoggedIo[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [endedAtMs, latencyNs] = line.split(',', 2).map(Number);
    if (
      endedAtMs === undefined ||
      latencyNs === undefined ||
      !Number.isFinite(endedAtMs) ||
      !Number.isFinite(latencyNs)
    ) {
      throw new Error(`not a line of a latency log: ${line}`);
    }
    ios.push({ endedAtMs, latencyMs: latencyNs / 1e6 });
  }
  return ios;
}

/**
 * What was felt from `fromMs` to `toMs`: every I/O that was under way at any moment in between, so that one
 * which a change held up counts for that change although it ended after it.
 */
export function feltBetween(ios: readonly LoggedIo[], fromMs: number, toMs: number): FeltLatency {
  const latencies = ios
    .filter((io) => io.endedAtMs >= fromMs && io.endedAtMs - io.latencyMs <= toMs)
    .map((io) => io.latencyMs);
  latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.ceil(share * latencies.length) - 1)] ?? 0;
  return {
    ioCount: latencies.length,
    longestIoMs: latencies.at(-1) ?? 0,
    p999IoMs: latencies.length === 0 ? 0 : at(0.999),
  };
}
