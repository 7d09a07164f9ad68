/** A database in memory, for simulations and for the doubles of the services' stores. Loads no TypeORM. */
export {
  type MemoryConnection,
  type MemoryContents,
  MemoryDatabase,
  type MemoryDatabaseCopy,
  type MemoryHooks,
  type MemoryLeaseRow,
} from './memory-database.js';
export { MemoryLeaseStore, type MemoryLeaseOptions } from './memory-lease-store.js';
export { MemoryTable } from './memory-table.js';
