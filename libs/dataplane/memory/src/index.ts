export { type Call, type CallHooks, type MemoryClock } from './call.js';
export { MemoryCard } from './memory-card.js';
export { MemoryCardDataPlane, type MemoryCardOptions } from './memory-card-data-plane.js';
export { MemoryPoolDataPlane, type MemoryPoolOptions } from './memory-pool-data-plane.js';
export { type MemoryLeg, MemoryWorld } from './world.js';
