/** Runs vitest on made-up suites: what CI reads must be right, above all when something is wrong. */
import { spawnSync } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openScratch } from './scratch.ts';

const ROOT = join(import.meta.dirname, '../..');
const SUPPORT = import.meta.dirname;

const head = `import { beforeAll, describe, expect, it } from 'vitest';\n`;
const requires = `import { describeWith, requireOf } from '${SUPPORT}/requires.ts';\n`;

const RUNS: readonly { name: string; suite: string; ci?: boolean; line: string; status: number }[] = [
  {
    name: 'a passed run',
    suite: `it('a', () => {}); it.skip('b', () => {});`,
    line: '1 passed, 0 failed, 1 skipped',
    status: 0,
  },
  {
    name: 'a failed test',
    suite: `it('a', () => {}); it('b', () => { expect(1).toBe(2); });`,
    line: '1 passed, 1 failed, 0 skipped',
    status: 1,
  },
  {
    name: 'a file that cannot be collected',
    suite: `import './nowhere.ts'; it('a', () => {});`,
    line: '0 passed, 1 failed, 0 skipped',
    status: 1,
  },
  {
    name: 'a hook that throws',
    suite: `describe('d', () => { beforeAll(() => { throw new Error('x'); }); it('a', () => {}); });`,
    line: '0 passed, 1 failed, 1 skipped',
    status: 1,
  },
  {
    name: 'an unhandled error',
    suite: `it('a', async () => { void Promise.reject(new Error('x')); await new Promise((r) => setTimeout(r, 50)); });`,
    line: '1 passed, 1 failed, 0 skipped',
    status: 1,
  },
  {
    name: 'a run of nothing but skipped tests',
    suite: `it.skip('a', () => {});`,
    line: '0 passed, 0 failed, 1 skipped',
    status: 1,
  },
  {
    name: "a missing requirement on a developer's host",
    suite: `${requires}it('a', () => {}); describeWith(['command:nowhere'], 'd', () => { it('b', () => {}); });\nit('c', (context) => { requireOf(context, 'command:nowhere'); });`,
    line: '1 passed, 0 failed, 2 skipped',
    status: 0,
  },
  {
    name: 'a missing requirement in CI',
    suite: `${requires}it('a', () => {}); describeWith(['command:nowhere'], 'd', () => { it('b', () => {}); });\nit('c', (context) => { requireOf(context, 'command:nowhere'); });`,
    ci: true,
    line: '1 passed, 2 failed, 0 skipped',
    status: 1,
  },
];

it.each(RUNS)('counts $name', { timeout: 30_000 }, async ({ suite, ci = false, line, status }) => {
  await using scratch = await openScratch('closing-line');
  await symlink(join(ROOT, 'node_modules'), scratch.path('node_modules'));
  await scratch.write('package.json', '{ "type": "module" }');
  await scratch.write('made-up.test.ts', head + suite);
  await scratch.write(
    'vitest.config.js',
    `export default { test: { reporters: ['default', '${SUPPORT}/closing-line-reporter.ts'] } };`,
  );
  const { CI: _ci, VITEST: _vitest, ...env } = process.env;
  const run = spawnSync(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run'], {
    cwd: scratch.directory,
    env: ci ? { ...env, CI: 'true' } : env,
    encoding: 'utf8',
  });
  expect(run.stdout.trimEnd().split('\n').at(-1)).toBe(line);
  expect(run.status).toBe(status);
});
