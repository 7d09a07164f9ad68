/** One round over what is to be copied. */
export interface Round {
  readonly bytes: number;
  /** The round is over when so much was copied in all. */
  readonly endsAtBytes: number;
}

interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** What is copied in a moment: it is not worth another round. */
const SMALL_BYTES = 4 * 1024 ** 2;

export function roundFrom({ doneBytes, totalBytes }: Progress): Round {
  return { bytes: totalBytes - doneBytes, endsAtBytes: totalBytes };
}

/**
 * What comes after a look at a copy that is behind: null, when the guest's writes are to go to both stacks now, since
 * little is left or another round would leave as much. Each round copies what the guest wrote during the one before.
 */
export function nextRound(round: Round, progress: Progress): Round | null {
  const leftBytes = progress.totalBytes - progress.doneBytes;
  if (leftBytes <= SMALL_BYTES) return null;
  if (progress.doneBytes < round.endsAtBytes) return round;
  return leftBytes > round.bytes / 2 ? null : roundFrom(progress);
}
