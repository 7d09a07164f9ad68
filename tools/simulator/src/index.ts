/** The whole system in one process, under a virtual clock and a seeded schedule of faults. */
export { Run, type RunResult } from './run/run.js';
