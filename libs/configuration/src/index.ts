export { busConfigSchema, listenSchema } from './fields.js';
export { readConfiguration } from './read-configuration.js';
