export * from './card-data-plane.js';
export * from './errors.js';
export * from './pool-data-plane.js';
