/** How a run of tests went. */
export interface Count {
  readonly passed: number;
  readonly failed: number;
  /** What was counted as a failure without being a failed test, one sentence each. */
  readonly remarks: readonly string[];
}

/**
 * Counts the tests in a report of vitest's JSON reporter. Whatever makes a run untrustworthy counts as a failure of
 * its own: a spec file that could not be run, a test that was left out, an exit status that no failed test explains,
 * a run without any test, no report at all.
 *
 * @param report the parsed report, or undefined when there is none
 * @param exitStatus vitest's exit status
 */
export function countTests(report: unknown, exitStatus: number): Count {
  const files = filesOf(report);
  if (files === undefined) {
    return { passed: 0, failed: 1, remarks: [`vitest ended with status ${exitStatus} and left no report`] };
  }
  const statuses = files.flatMap((file) => file.statuses);
  const passed = statuses.filter((status) => status === 'passed').length;
  const failedTests = statuses.filter((status) => status === 'failed').length;
  const remarks = [
    ...files
      .filter((file) => file.failed && !file.statuses.includes('failed'))
      .map((file) => `${file.name} could not be run`),
    ...leftOut(statuses.length - passed - failedTests),
    ...(statuses.length === 0 ? ['no test was run'] : []),
  ];
  if (exitStatus !== 0 && failedTests === 0 && remarks.length === 0) {
    remarks.push(`vitest ended with status ${exitStatus} although every test passed (an error outside of tests?)`);
  }
  return { passed, failed: failedTests + remarks.length, remarks };
}

function leftOut(count: number): string[] {
  return count === 0 ? [] : [`${count} tests were skipped or are still to be written`];
}

interface SpecFile {
  readonly name: string;
  readonly failed: boolean;
  readonly statuses: readonly string[];
}

function filesOf(report: unknown): SpecFile[] | undefined {
  const results = field(report, 'testResults');
  if (!Array.isArray(results)) return undefined;
  return results.map((result: unknown) => {
    const tests = field(result, 'assertionResults');
    return {
      name: String(field(result, 'name')),
      failed: field(result, 'status') !== 'passed',
      statuses: Array.isArray(tests) ? tests.map((test: unknown) => String(field(test, 'status'))) : [],
    };
  });
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
