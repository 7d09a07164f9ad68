/** The daemon answered a command with an error. The text is the daemon's own and holds no argument's secret. */
export class QmpCommandError extends Error {
  override readonly name = 'QmpCommandError';
  readonly command: string;
  readonly description: string;
  constructor(command: string, description: string) {
    super(`qmp ${command}: ${description}`);
    this.command = command;
    this.description = description;
  }
}

/** The daemon did not answer: not connected, connection lost, deadline passed. What the command did is unknown. */
export class QmpUnreachableError extends Error {
  override readonly name = 'QmpUnreachableError';
}
