import type { ChangeRecord } from '@flexbso/scheduler/deciding';

/** As whom all clients ask. What an operator lets go after a restore is a deletion too, and nobody's request. */
export const CLIENT = 'client';

/** What comes about by a request of its own. */
const wishedKinds: readonly ChangeRecord['kind'][] = [
  'create',
  'change',
  'detach',
  'attach',
  'snapshot',
  'delete-snapshot',
  'rollback',
  'failover',
  'delete',
];

interface Tally {
  /** Asked and not answered yet: carried out or not. */
  open: number;
  accepted: number;
  /** Of what is open: how many messages arrive twice. */
  doubled: number;
  /** Refused, of which another copy is under way: a refusal is not kept, and each copy is judged when it comes. */
  refusedOnce: number;
}

/** The process that asks for a volume of this name. */
export const clientOf = (name: string): string => `client ${name}`;

/** What clients asked for, and what they were answered; each volume's name has one client. */
export class Requests {
  readonly #tallies = new Map<string, Tally>();

  asked(name: string): void {
    this.#of(name).open += 1;
  }

  answered(name: string, isAccepted: boolean): void {
    const tally = this.#of(name);
    tally.open -= 1;
    if (isAccepted) tally.accepted += 1;
    else if (tally.doubled > 0) {
      tally.doubled -= 1;
      tally.refusedOnce += 1;
    }
    if (tally.open === 0) tally.doubled = 0;
  }

  /** A message of this process arrives twice. */
  doubled(process: string): void {
    for (const [name, tally] of this.#tallies) if (clientOf(name) === process && tally.open > 0) tally.doubled += 1;
  }

  /** @returns the name of a volume that was changed more often than its client had it changed; null: there is none */
  tooOften(changes: Iterable<ChangeRecord>): string | null {
    const made = new Map<string, number>();
    for (const { kind, volumeName, requestedBy } of changes) {
      if (requestedBy !== CLIENT) continue;
      if (wishedKinds.includes(kind)) made.set(volumeName, (made.get(volumeName) ?? 0) + 1);
    }
    for (const [name, { open, accepted, refusedOnce }] of this.#tallies)
      if ((made.get(name) ?? 0) > open + accepted + refusedOnce) return name;
    return null;
  }

  #of(name: string): Tally {
    const tally = this.#tallies.get(name) ?? { open: 0, accepted: 0, doubled: 0, refusedOnce: 0 };
    this.#tallies.set(name, tally);
    return tally;
  }
}
