/** How fast a copy may go, in bytes a second; `guestLimit`: what the guest's own limits let it have, null without any. */
export interface PaceBounds {
  readonly least: number;
  readonly most: number;
  readonly guestLimit: number | null;
}

/** How fast a copy goes, and what it knows of its guest. */
export interface Pace {
  readonly bytesPerSecond: number;
  /** What the guest had while the copy hardly ran, in bytes a second; null: that is being listened to. */
  readonly guestHad: number | null;
  /** How fast to go on after listening. */
  readonly resumeAt: number;
  /** Until it is listened to again. */
  readonly listenInMs: number;
}

/** What the guest read and wrote in a while. */
export interface GuestSeen {
  readonly ms: number;
  readonly bytes: number;
}

/**
 * A quarter of its rate: a copy that gives way all the time, to a guest that writes all of it once more meanwhile, ends
 * before it is said to be overdue, which is after eight times its time.
 */
const LEAST_SHARE = 4;
/** The scheduler's own least rate: below it a terabyte takes more than eleven days. */
const LEAST_BYTES_PER_SECOND = 1024 ** 2;
/** Sixteen small requests a second. Less, also as a difference, is chance: a guest at rest writes a journal now and then. */
const QUIET_BYTES_PER_SECOND = 64 * 1024;
/** A guest asks for less, or more, in the course of a copy. A 40th of the time is spent on listening. */
const LISTEN_EVERY_MS = 10_000;
/** Long enough for a figure, short enough not to delay a small copy. */
const LISTEN_MS = 250;
const WATCH_MS = 500;
/** Half of what it had is what a guest is promised; what it had was seen beside a slow copy, and figures of half a second vary. */
const TOO_LITTLE = 0.7;
const ENOUGH = 0.85;

export function paceBounds(copyBytesPerSecond: number, guestLimit: number | null): PaceBounds {
  const least = Math.max(LEAST_BYTES_PER_SECOND, Math.floor(copyBytesPerSecond / LEAST_SHARE));
  return { least: Math.min(least, copyBytesPerSecond), most: copyBytesPerSecond, guestLimit };
}

/** A copy begins by listening. */
export function firstPace({ least, most }: PaceBounds): Pace {
  return { bytesPerSecond: least, guestHad: null, resumeAt: Math.max(least, most / 2), listenInMs: 0 };
}

/** For how long the guest is to be seen before the next decision. */
export const watchMs = ({ guestHad }: Pace): number => (guestHad === null ? LISTEN_MS : WATCH_MS);

/**
 * Halves when the guest has much less than it had while the copy hardly ran, rises by half when it does not. What the
 * guest had counts up to its limits alone: what the copy leaves of its own room is lent to the guest, not owed.
 */
export function nextPace(pace: Pace, seen: GuestSeen, bounds: PaceBounds): Pace {
  const { least, most, guestLimit } = bounds;
  const guest = Math.min((seen.bytes * 1000) / seen.ms, guestLimit ?? Infinity);
  if (pace.guestHad === null) {
    const bytesPerSecond = guest < QUIET_BYTES_PER_SECOND ? most : clamped(pace.resumeAt, bounds);
    return { bytesPerSecond, guestHad: guest, resumeAt: bytesPerSecond, listenInMs: LISTEN_EVERY_MS };
  }
  const listenInMs = pace.listenInMs - seen.ms;
  const hasAwoken = pace.guestHad < QUIET_BYTES_PER_SECOND && guest >= QUIET_BYTES_PER_SECOND;
  const next = clamped(pace.bytesPerSecond * factorOf(guest, pace.guestHad), bounds);
  if (hasAwoken || listenInMs <= 0) return { bytesPerSecond: least, guestHad: null, resumeAt: next, listenInMs: 0 };
  // Slower cannot help: what the guest has now is what it asks for.
  if (next === least) return { bytesPerSecond: least, guestHad: null, resumeAt: 2 * least, listenInMs: 0 };
  return { bytesPerSecond: next, guestHad: Math.max(pace.guestHad, guest), resumeAt: next, listenInMs };
}

function factorOf(guest: number, guestHad: number): number {
  if (guestHad - guest < QUIET_BYTES_PER_SECOND || guest >= ENOUGH * guestHad) return 1.5;
  return guest < TOO_LITTLE * guestHad ? 0.5 : 1;
}

function clamped(bytesPerSecond: number, { least, most }: PaceBounds): number {
  return Math.min(most, Math.max(least, Math.round(bytesPerSecond)));
}
