import type { AgentRole, BsoEvent, Pause } from '@flexbso/contracts';
import { type MemoryContents, MemoryTable } from '@flexbso/persistence/memory';
import type { AgentRecord } from '../agents/agent-record.js';
import type { ChangeRecord } from '../changes/change-record.js';
import type { DesiredEntry } from '../desired/desired-entry.js';
import type { KeyRecord } from '../keys/key-record.js';
import type { LegRecord } from '../legs/leg-record.js';
import type { ReservationRecord } from '../placement/reservation-record.js';
import type { VolumeRecord } from '../volumes/volume-record.js';

export const agentKey = (role: AgentRole, agentId: string) => `${role}/${agentId}`;
export const entryKey = (role: AgentRole, agentId: string, itemId: string) => `${role}/${agentId}/${itemId}`;

interface KeptReply {
  readonly requestDigest: string;
  readonly reply: unknown;
}

/** All that the scheduler's database would hold, as records. */
export class SchedulerContents implements MemoryContents<SchedulerContents> {
  volumes = MemoryTable.empty<VolumeRecord>();
  legs = MemoryTable.empty<LegRecord>();
  keys = MemoryTable.empty<KeyRecord>();
  changes = MemoryTable.empty<ChangeRecord>();
  reservations = MemoryTable.empty<ReservationRecord>();
  agents = MemoryTable.empty<AgentRecord>();
  desired = MemoryTable.empty<DesiredEntry>();
  pauses = MemoryTable.empty<Pause>();
  replies = MemoryTable.empty<KeptReply>();
  /** Null: nobody has asked for it yet. */
  incarnation: string | null = null;
  /** Events of this transaction, which leave with its commit. */
  events: BsoEvent[] = [];
  /** What was committed to be published. One for all copies: what has been said is not unsaid by a restore. */
  #outbox: BsoEvent[] = [];

  copy(): SchedulerContents {
    const copy = new SchedulerContents();
    copy.replaceDecided(this);
    copy.pauses = this.pauses.copy();
    copy.replies = this.replies.copy();
    copy.incarnation = this.incarnation;
    copy.#outbox = this.#outbox;
    return copy;
  }

  committed(): void {
    this.#outbox.push(...this.events.splice(0));
  }

  /** Takes over all that the scheduler decides by; replies that were given stay, and what is paused now. */
  replaceDecided(other: SchedulerContents): void {
    this.volumes = other.volumes.copy();
    this.legs = other.legs.copy();
    this.keys = other.keys.copy();
    this.changes = other.changes.copy();
    this.reservations = other.reservations.copy();
    this.agents = other.agents.copy();
    this.desired = other.desired.copy();
  }

  /** Hands the committed events out, once. */
  takeEvents(): BsoEvent[] {
    return this.#outbox.splice(0);
  }
}
