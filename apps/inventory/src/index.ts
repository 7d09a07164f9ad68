export { type InventoryConfig, inventoryConfigSchema, readInventoryConfig } from './config.js';
export { type RunningInventory, startInventory } from './inventory.js';
