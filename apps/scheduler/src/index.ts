/** The scheduler: what should be where. Run `main.js`; a simulation takes `Scheduler` and brings its own ports. */
export { type SchedulerConfig, schedulerConfigSchema } from './config.js';
export { type SchedulerPorts, type SchedulerSettings } from './decisions.js';
export { Vault } from './keys/vault.js';
export type { Clock, EventRelay, Nudges, Randomness, Tracing } from './ports.js';
export { Scheduler } from './scheduler.js';
export { type RunningScheduler, startScheduler } from './service.js';
export { MemoryStore } from './store/memory-store.js';
export type { SchedulerStore, StoreReader, StoreTransaction } from './store/store.js';
