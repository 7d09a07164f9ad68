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
}

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
  }

  /** @returns the name of a volume that was changed more often than its client had it changed; null: there is none */
  tooOften(changes: Iterable<ChangeRecord>): string | null {
    const made = new Map<string, number>();
    for (const { kind, volumeName, requestedBy } of changes) {
      if (requestedBy !== CLIENT) continue;
      if (wishedKinds.includes(kind)) made.set(volumeName, (made.get(volumeName) ?? 0) + 1);
    }
    for (const [name, { open, accepted }] of this.#tallies) if ((made.get(name) ?? 0) > open + accepted) return name;
    return null;
  }

  #of(name: string): Tally {
    const tally = this.#tallies.get(name) ?? { open: 0, accepted: 0 };
    this.#tallies.set(name, tally);
    return tally;
  }
}
