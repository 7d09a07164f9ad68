export { QsdCardDataPlane } from './card/qsd-card-data-plane.js';
export { QsdPoolDataPlane } from './pool/qsd-pool-data-plane.js';
export {
  qsdCardConfigSchema,
  qsdPoolConfigSchema,
  type QsdCardConfig,
  type QsdCardOptions,
  type QsdPoolConfig,
  type QsdPoolOptions,
} from './config.js';
export { NbdClient, NbdError } from './nbd/nbd-client.js';
