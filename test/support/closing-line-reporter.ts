/**
 * Ends a run with one line that says how it went: `N passed, N failed, N skipped` over all projects.
 *
 * What failed outside of a test (a file that cannot be collected, a hook of a file, an unhandled error) counts as
 * failed, and a run that executed no test at all is a failure too.
 */
import type { SerializedError } from 'vitest';
import type { Reporter, TestModule, TestRunEndReason, TestSuite } from 'vitest/node';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(
    modules: readonly TestModule[],
    unhandledErrors: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    const counts: Counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) count(module, counts);
    // passed or failed, whatever the counts say: interrupted runs are neither
    if (reason !== 'passed' && counts.failed === 0) counts.failed = 1;
    if (counts.failed > 0 || counts.passed === 0) process.exitCode = 1;
    if (counts.passed + counts.failed === 0) process.stdout.write('no test was executed\n');
    process.stdout.write(
      `${String(counts.passed)} passed, ${String(counts.failed)} failed, ${String(counts.skipped)} skipped\n`,
    );
  }
}

function count(module: TestModule, counts: Counts): void {
  for (const test of module.children.allTests()) {
    const { state } = test.result();
    // a test that never started because its run was cut short
    if (state === 'pending') counts.failed += 1;
    else counts[state] += 1;
  }
  counts.failed += outsideOfTests(module);
}

/** Errors of the module and of its suites: these stand beside the tests, which then may have no failure at all. */
function outsideOfTests(module: TestModule): number {
  const holders: (TestModule | TestSuite)[] = [module, ...module.children.allSuites()];
  return holders.reduce((sum, holder) => sum + holder.errors().length, 0);
}
