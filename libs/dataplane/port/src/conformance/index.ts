export { cardDataPlaneConformance } from './card-conformance.js';
export { type CardFixture } from './card-under-test.js';
export { POOL_CAPACITY_BYTES, poolDataPlaneConformance, type PoolFixture } from './pool-conformance.js';
