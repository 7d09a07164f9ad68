import { checkSteps, runSteps } from './steps.ts';

const failed = await runSteps(checkSteps);
console.log(failed.length === 0 ? '\nEvery check holds.' : `\nFailed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
