/** Whatever a test file has built, loaded or pulled has to pass our own `verify`, which is stricter than the tests. */
import { expect } from 'vitest';
import type { Cli } from '../support/cli.ts';

interface Result {
  readonly name: string;
  readonly findings: readonly { readonly severity: string }[];
}

/** All images that the store names, at once. */
async function expectVerified(cli: Cli): Promise<void> {
  const images = JSON.parse(await cli.run(['images', '--json'])) as { name: string | null; digest: string }[];
  const names = images.map(({ name, digest }) => name ?? digest);
  if (names.length === 0) return;
  const { stdout } = await cli.call(['verify', '--json', ...names]);
  const wrong = (JSON.parse(stdout) as Result[]).filter(({ findings }) =>
    findings.some(({ severity }) => severity === 'error'),
  );
  expect(wrong).toEqual([]);
}

/** At the end of a test file. */
export async function closeVerified(cli: Cli): Promise<void> {
  try {
    await expectVerified(cli);
  } finally {
    await cli[Symbol.asyncDispose]();
  }
}
