/** How `flexbso` ends, for scripts. docs/cli.md has the same table. */
export const exitCodes = {
  /** Done; with `--wait` also settled. */
  ok: 0,
  /** The API refused or failed, or a change was undone, refused, or waits for an operator. */
  refused: 1,
  /** The command line is wrong, or there is no server to ask. Nothing was sent. */
  usage: 2,
  /** The gateway, or a service behind it, did not answer in spite of retries. */
  unreachable: 3,
  /** `--wait` gave up before the change had ended; it goes on. */
  timedOut: 4,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** An end with a message for standard error and an exit code. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}
