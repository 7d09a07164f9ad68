/** For the specs of whoever acts on what this package plans. */
export { type Difference, singleDifferences } from './single-differences.js';
