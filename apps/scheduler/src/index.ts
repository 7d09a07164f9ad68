/** The scheduler: what should be where. Run `main.js`; a simulation takes `@flexbso/scheduler/deciding`. */
export { type SchedulerConfig, schedulerConfigSchema } from './config.js';
export { type RunningScheduler, startScheduler } from './service.js';
