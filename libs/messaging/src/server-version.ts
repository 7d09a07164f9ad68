/** Older servers accept newer stream settings and drop them silently (2.9 in Debian 12). */
export const MIN_SERVER_VERSION = '2.10.0';

/** The server is older than what the system is built on. Nothing was sent to it; install a newer nats-server. */
export class ServerTooOldError extends Error {
  override readonly name = 'ServerTooOldError';
  readonly code = 'server_too_old';
  readonly version: string;
  readonly server: string;

  constructor(server: string, version: string) {
    super(`nats-server at ${server} is ${version}: ${MIN_SERVER_VERSION} or newer is needed`);
    this.server = server;
    this.version = version;
  }
}

/** Whether a server's version, as its INFO says it (`2.10.27`, `2.11.0-RC.1`), is new enough. What cannot be read is not. */
export function isNewEnough(version: string): boolean {
  const have = numbersOf(version);
  const need = numbersOf(MIN_SERVER_VERSION);
  if (!have || !need) return false;
  return have[0] !== need[0] ? have[0] > need[0] : have[1] >= need[1];
}

function numbersOf(version: string): [number, number] | null {
  const match = /^v?(\d+)\.(\d+)\./.exec(version);
  return match ? [Number(match[1]), Number(match[2])] : null;
}
