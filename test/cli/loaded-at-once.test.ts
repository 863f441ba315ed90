/** Large packages are read by the commands that need them: whatever a command imports at once, its user waits for. */
import { join } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

/** Packages in what an entry point imports: `at once` leaves out what it imports later, if ever. */
async function packagesOf(entry: string, which: 'at once' | 'ever'): Promise<Set<string>> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    splitting: true,
    write: false,
    outdir: 'nowhere',
    format: 'esm',
    platform: 'node',
    external: ['koffi', 'node-pty'],
    metafile: true,
  });
  const entryOutput = Object.keys(metafile.outputs).find(
    (path) => metafile.outputs[path]?.entryPoint === entry,
  );
  const waiting = [entryOutput ?? ''];
  const seen = new Set<string>();
  const packages = new Set<string>();
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const { inputs = {}, imports = [] } = metafile.outputs[path] ?? {};
    for (const input of Object.keys(inputs)) {
      const name = /^node_modules\/([^/]+)\//.exec(input)?.[1];
      if (name !== undefined) packages.add(name);
    }
    const wanted = imports.filter(({ kind }) => which === 'ever' || kind === 'import-statement');
    waiting.push(...wanted.map((each) => each.path));
  }
  return packages;
}

describe('what speaks HTTP, reads YAML or starts programs', () => {
  it.each([
    ['build', ['undici', 'yaml', 'execa', 'tar']],
    ['run', ['undici', 'execa']],
    ['gather', ['undici', 'yaml']],
    ['inspect', ['yaml']],
    ['archives', ['undici', 'yaml']],
  ])('is loaded by %s only when it has to', async (action, large) => {
    const entry = `src/cli/actions/${action}.ts`;
    const ever = await packagesOf(entry, 'ever');
    const atOnce = await packagesOf(entry, 'at once');
    expect(large.filter((name) => ever.has(name))).toEqual(large);
    expect(large.filter((name) => atOnce.has(name))).toEqual([]);
  });
});
