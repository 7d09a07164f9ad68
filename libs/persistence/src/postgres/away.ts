/**
 * SQLSTATEs (PostgreSQL, appendix A) after which the session is over or none was given: class 08, a session that waited
 * too long within its transaction, a server that is full, stops, has crashed or is starting.
 */
const awayStates = /^(?:08...|25P03|53300|57P0[1235])$/;
/** What the operating system says of a connection that breaks, or of nobody who listens. */
const brokenConnections = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);
/** The client library's own words, which have no code: pg's client.js, and pg-pool's index.js. */
const ownWords = /^(?:Connection terminated|Client has encountered a connection error|timeout exceeded when trying)/;

/** Whether an error of the client library says that the server is away, or that the connection to it broke. */
export function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : null;
  if (code === null) return ownWords.test(error.message);
  return brokenConnections.has(code) || awayStates.test(code);
}
