import { createServer, type Server } from 'node:net';
import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';

/** Another agent runs on this state folder. */
export class StateLockedError extends Error {
  override readonly name = 'StateLockedError';
  readonly code = 'state_locked';
}

/**
 * One agent to a state folder: an abstract Unix socket named after the folder. The kernel gives a name to one
 * process only and takes it back with the process, however it ends; nothing is left over after `kill -9`.
 * It does not guard against an agent on another machine with the same folder: session numbers do that.
 */
export class StateLock {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Throws StateLockedError while another process holds it. */
  static async take(folder: string): Promise<StateLock> {
    const name = createHash('sha256')
      .update(await realpath(folder))
      .digest('hex')
      .slice(0, 40);
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        const isTaken = 'code' in cause && cause.code === 'EADDRINUSE';
        reject(isTaken ? new StateLockedError(`another agent runs on ${folder}; stop it first`, { cause }) : cause);
      });
      server.listen({ path: `\0flexbso-agent-${name}` }, resolve);
    });
    // The lock alone keeps no process alive.
    server.unref();
    return new StateLock(server);
  }

  async release(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
