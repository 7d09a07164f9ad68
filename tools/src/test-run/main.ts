import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkSteps, runCommand, runSteps } from '../check/steps.ts';
import { countTests, type Count } from './count.ts';

// What `npm test` does after setup: build, check, every test, and a last line "N passed, N failed" that counts tests
// and steps alike.
const steps = [{ name: 'build', command: ['bash', 'tools/setup/build.sh'] } as const, ...checkSteps];

// All tests together take some 35 minutes on two cores, and longer where these are shared; after an hour one hangs.
const testsTimeoutMs = 60 * 60_000;

async function runTests(): Promise<Count> {
  console.log('\n--- tests');
  const folder = mkdtempSync(join(tmpdir(), 'flexbso-test-'));
  try {
    const file = join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const status = await runCommand(['vitest', 'run', ...reporters], testsTimeoutMs);
    return countTests(readReport(file), status);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function readReport(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    console.error(`vitest's report cannot be read: ${String(error)}`);
    return undefined;
  }
}

const failedSteps = await runSteps(steps);
const tests = await runTests();
for (const name of failedSteps) console.log(`failed step: ${name}`);
for (const remark of tests.remarks) console.log(`failed: ${remark}`);
const passed = tests.passed + steps.length - failedSteps.length;
const failed = tests.failed + failedSteps.length;
process.exitCode = failed === 0 ? 0 : 1;
console.log(`${passed} passed, ${failed} failed`);
