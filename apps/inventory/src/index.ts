/** Inventory: what exists, and who is there. Run `main.js`; a simulation takes `@flexbso/inventory/deciding`. */
export { type InventoryConfig, inventoryConfigSchema, readInventoryConfig } from './config.js';
export { type RunningInventory, startInventory } from './service.js';
