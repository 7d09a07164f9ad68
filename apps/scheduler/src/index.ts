/** The scheduler: what should be where. Run `main.js`; a simulation takes `Scheduler` and brings its own ports. */
export type { ChangeRecord } from './changes/change-record.js';
export { type SchedulerConfig, schedulerConfigSchema } from './config.js';
export { type SchedulerPorts, type SchedulerSettings } from './decisions.js';
export type { DesiredEntry } from './desired/desired-entry.js';
export { type Seal, Vault } from './keys/vault.js';
export type { LegRecord } from './legs/leg-record.js';
export type { ReservationRecord } from './placement/reservation-record.js';
export type { Clock, EventRelay, Nudges, Randomness, Tracing } from './ports.js';
export { Scheduler } from './scheduler.js';
export { type RunningScheduler, startScheduler } from './service.js';
export { MemoryStore } from './store/memory-store.js';
export type { SchedulerStore, StoreReader, StoreTransaction } from './store/store.js';
export type { VolumeRecord } from './volumes/volume-record.js';
