/** The lease without any database: for who brings a clock and a store, as a simulation does. Loads no TypeORM. */
export { type LeaseClock, systemLeaseClock } from './lease-clock.js';
export type { LeaseFence, LeaseStore } from './lease-store.js';
export { type LeaseTimes, serviceLeaseTimes } from './lease-time.js';
export { ServiceLease, type ServiceLeaseOptions } from './service-lease.js';
