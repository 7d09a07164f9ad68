/**
 * The scheduler without its shell, and what a simulation runs it with: what it decides, and memory in the place of
 * database and files. Loads neither Nest nor TypeORM nor NATS.
 */
export type { AgentRecord } from './agents/agent-record.js';
export { type MemoryBackupFolder, MemoryBackups } from './backups/memory-backups.js';
export type { ChangeRecord } from './changes/change-record.js';
export type { SchedulerPorts, SchedulerSettings } from './decisions.js';
export type { DesiredEntry } from './desired/desired-entry.js';
export { LifeFileError, LifeKeeper, type LifeOptions } from './incarnation/life-keeper.js';
export { type LifeStore, MemoryLifeStore } from './incarnation/life-store.js';
export type { KeyRecord } from './keys/key-record.js';
export { type Seal, Vault } from './keys/vault.js';
export type { LegRecord } from './legs/leg-record.js';
export type { ReservationRecord } from './placement/reservation-record.js';
export type {
  Alarms,
  Backups,
  Clock,
  EventRelay,
  Inspections,
  Nudges,
  Randomness,
  RevisionCount,
  Timer,
  Tracing,
} from './ports.js';
export { Scheduler } from './scheduler.js';
export { SchedulerContents } from './store/memory-contents.js';
export type { SchedulerConnection } from './store/memory-reader.js';
export { type MemoryFence, MemoryStore, type MemoryStoreOptions } from './store/memory-store.js';
export type { SchedulerStore, StoreReader, StoreTransaction } from './store/store.js';
export type { VolumeRecord } from './volumes/volume-record.js';
