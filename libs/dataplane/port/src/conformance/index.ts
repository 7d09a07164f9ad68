export { cardDataPlaneConformance } from './card-conformance.js';
export { sizeBytes as CONFORMANCE_VOLUME_BYTES, type CardFixture } from './card-under-test.js';
export { POOL_CAPACITY_BYTES, poolDataPlaneConformance, type PoolFixture } from './pool-conformance.js';
