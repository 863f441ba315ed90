/** What `npm pack` would publish: everything the program needs, and nothing of the workshop. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runTool } from '../support/foreign-tools.ts';

const ROOT = join(import.meta.dirname, '../..');

async function packedPaths(): Promise<string[]> {
  const json = await runTool('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT });
  const [packed] = JSON.parse(json) as { files: { path: string }[] }[];
  return packed!.files.map(({ path }) => path);
}

it('has the program, its helpers, the pins and the licence, and no sources or tests', async () => {
  const paths = await packedPaths();
  expect(paths).toEqual(
    expect.arrayContaining(['dist/main.js', 'dist/native/sandbox', 'emulators/pinned.json', 'LICENSE']),
  );
  expect(paths.filter((path) => /^(src|test|scripts|fixtures)\//.test(path))).toEqual([]);
});
