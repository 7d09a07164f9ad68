import { expect, test } from 'vitest';
import { countTests } from './count.ts';

function reportOf(...files: { status?: string; tests: string[] }[]): unknown {
  return {
    testResults: files.map(({ status = 'passed', tests }, index) => ({
      name: `file-${index}.spec.ts`,
      status,
      assertionResults: tests.map((one) => ({ status: one })),
    })),
  };
}

test('passed and failed tests are counted over all files', () => {
  const report = reportOf({ tests: ['passed', 'passed'] }, { status: 'failed', tests: ['passed', 'failed'] });
  expect(countTests(report, 1)).toEqual({ passed: 3, failed: 1, remarks: [] });
});

test('a spec file that could not be loaded is a failure', () => {
  const report = reportOf({ tests: ['passed'] }, { status: 'failed', tests: [] });
  expect(countTests(report, 1)).toEqual({ passed: 1, failed: 1, remarks: ['file-1.spec.ts could not be run'] });
});

test('tests that were left out are a failure', () => {
  expect(countTests(reportOf({ tests: ['passed', 'skipped', 'todo'] }), 0)).toMatchObject({ passed: 1, failed: 1 });
});

test('a run without tests is a failure', () => {
  expect(countTests(reportOf(), 0)).toEqual({ passed: 0, failed: 1, remarks: ['no test was run'] });
});

test.each([undefined, null, {}, [], 'text'])('a crash that leaves %j instead of a report is a failure', (report) => {
  expect(countTests(report, 134)).toMatchObject({ passed: 0, failed: 1 });
});

test('an exit status that no failed test explains is a failure', () => {
  expect(countTests(reportOf({ tests: ['passed'] }), 1)).toMatchObject({ passed: 1, failed: 1 });
});
