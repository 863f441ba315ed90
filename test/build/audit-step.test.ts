/** Programs for other machines in a result: those of the base, too, which is looked at once for all that is built on it. */
import { readdirSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { build } from '../../src/build/build.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { openStore } from '../../src/store/store.ts';
import { describeWithRoot } from '../support/requires.ts';
import { elfProgram } from '../support/elf.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { DEFAULT_OPTIONS } from './build-options.ts';

const AMD64 = elfProgram(62);
const ARM64 = elfProgram(183);

interface Yard extends AsyncDisposable {
  readonly scratch: Scratch;
  /** What is found; without `allow` nobody looks. */
  build(text: string, tag: string, allow?: readonly string[]): Promise<readonly string[]>;
}

async function openYard(): Promise<Yard> {
  const scratch = await openScratch('audit');
  const store = await openStore(scratch.path('store'));
  await scratch.write('context/foreign', AMD64);
  await scratch.write('context/own', ARM64);
  await scratch.write('context/text', 'text');
  const job = { store, report: () => undefined, signal: new AbortController().signal };
  return {
    scratch,
    build: async (text, tag, allow) => {
      const options = {
        ...DEFAULT_OPTIONS,
        context: scratch.path('context'),
        file: { path: 'Kubefile', text },
        tags: [`docker.io/library/${tag}:latest`],
        platforms: [parsePlatform('linux/arm64')],
        dialect: 'kubefile-v2',
        ...(allow && { audit: { policy: 'error' as const, allow } }),
      } as const;
      return build(job, options).then(
        () => [],
        (error: unknown) => (error as { items?: readonly string[] }).items ?? [String(error)],
      );
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await scratch[Symbol.asyncDispose]();
    },
  };
}

const found = (path: string): string => `linux/arm64: ${path} is for amd64`;

describeWithRoot('the audit of an image', () => {
  it('finds what its own layers and its base have, as far as it is still there', async () => {
    await using yard = await openYard();
    expect(await yard.build('FROM scratch\nCOPY foreign /bin/a\nCOPY foreign /bin/b\n', 'bad')).toEqual([]);
    expect(await yard.build('FROM bad\nCOPY foreign /bin/c\n', 'x', [])).toEqual(
      ['/bin/a', '/bin/b', '/bin/c'].map(found),
    );
    expect(await yard.build('FROM bad\nCOPY own /bin/a\n', 'x', [])).toEqual([found('/bin/b')]);
    expect(await yard.build('FROM bad\nCOPY own /bin/a\nCOPY text /bin/b\n', 'x', [])).toEqual([]);
    expect(await yard.build('FROM bad\nCOPY text /t\n', 'x', ['bin/*'])).toEqual([]);
    expect(await yard.build('FROM bad\nCOPY text /t\n', 'x', ['bin/a'])).toEqual([found('/bin/b')]);
  });

  it('looks at a good base once, whatever is built on it', async () => {
    await using yard = await openYard();
    await yard.build('FROM scratch\nCOPY own /bin/a\n', 'good');
    expect(await yard.build('FROM good\nCOPY text /t\n', 'x', [])).toEqual([]);
    const [layer = ''] = readdirSync(yard.scratch.path('store/snapshots')).filter((name) =>
      readdirSync(yard.scratch.path('store/snapshots', name, 'fs')).includes('bin'),
    );
    writeFileSync(yard.scratch.path('store/snapshots', layer, 'fs/bin/a'), AMD64); // behind its back
    expect(await yard.build('FROM good\nCOPY foreign /bin/b\n', 'x', [])).toEqual([found('/bin/b')]);
    expect(await yard.build('FROM good\nCOPY own /bin/b\nENV A=1\n', 'x', [])).toEqual([]);
    expect(await yard.build('FROM good\nCOPY own /bin/b\n', 'x', ['else'])).toEqual([found('/bin/a')]);
  });
});
