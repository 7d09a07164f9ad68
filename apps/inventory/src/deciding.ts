/**
 * Inventory without its shell, and what a simulation runs it with: what it decides, and memory in the place of database
 * and bus. Loads neither Nest nor TypeORM nor NATS.
 */
export type { AgentName } from './agents/agent-record.js';
export type { AgentStore, KeptAgent } from './agents/agent-store.js';
export {
  type InventoryConnection,
  InventoryContents,
  MemoryAgentStore,
  type MemoryAgentStoreOptions,
} from './agents/memory-agent-store.js';
export { Inventory, type InventoryPorts, type InventorySettings } from './inventory.js';
export type { DeafReason } from './leases/lease-watch.js';
export type { Alarms, Clock, EventRelay } from './ports.js';
export { type BucketEntry, FencedBucket, type Permission, type VersionedBucket } from './snapshots/fenced-bucket.js';
export { MemoryBucket } from './snapshots/memory-bucket.js';
export type { SnapshotBucket } from './snapshots/snapshot-publisher.js';
