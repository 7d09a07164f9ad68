import { styleText } from 'node:util';

export type Style = 'green' | 'yellow' | 'red' | 'dim' | 'bold';

/** Where results and messages go. */
export interface Output {
  readonly format: 'table' | 'json';
  line(text: string): void;
  /** Progress and hints; never part of a result. */
  note(text: string): void;
  /** Coloured on a terminal, and as it is elsewhere. */
  readonly styled: (style: Style, text: string) => string;
}

export function processOutput(format: Output['format']): Output {
  return {
    format,
    line: (text) => void process.stdout.write(`${text}\n`),
    note: (text) => void process.stderr.write(`${text}\n`),
    styled: (style, text) => styleText(style, text, { stream: process.stdout }),
  };
}

/** The colour of a state; none for what needs no attention. */
export function styleOfState(state: string): Style | null {
  if (['ready', 'settled', 'done'].includes(state)) return 'green';
  if (['failed', 'needs-operator', 'diverged', 'refused', 'undone', 'quarantined', 'unreachable'].includes(state))
    return 'red';
  return [
    'creating',
    'changing',
    'deleting',
    'queued',
    'preparing',
    'applying',
    'retiring',
    'undoing',
    'running',
  ].includes(state)
    ? 'yellow'
    : null;
}
