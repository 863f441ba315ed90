import { mkdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { preprocessed } from '../../src/cli/preprocess.ts';
import type { BuildEvent } from '../../src/events.ts';
import { describeWith } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';

async function made(path: string, text: string, flags: readonly string[] = []): Promise<[string, string[]]> {
  await using scratch = await openScratch('preprocess');
  mkdirSync(scratch.path('context'));
  await scratch.write('context/common', 'RUN common\n');
  const warnings: string[] = [];
  const report = (event: BuildEvent): void => {
    if (event.type === 'warning') warnings.push(event.text);
  };
  const context = scratch.path('context');
  const options = { context, flags, report, signal: new AbortController().signal };
  return [(await preprocessed({ path, text }, options)).text.trim(), warnings];
}

describe('a file of any other name', () => {
  it('is left alone', async () => {
    expect(await made('Dockerfile', '#include "common"')).toEqual(['#include "common"', []]);
  });
});

describeWith(['command:cpp'], 'a file named *.in', () => {
  const TEXT = 'FROM a\n#include "common"\n#if DEBUG\nRUN debug\n#endif\n';

  it('goes through the C preprocessor, with its flags', async () => {
    expect(await made('Dockerfile.in', TEXT)).toEqual(['FROM a\nRUN common', []]);
    expect(await made('Dockerfile.in', TEXT, ['-DDEBUG'])).toEqual(['FROM a\nRUN common\nRUN debug', []]);
  });

  it('may have comments that look like directives', async () => {
    const [text, warnings] = await made('x/Dockerfile.in', '#Comment\nFROM a\n');
    expect(text).toBe('FROM a');
    expect(warnings).toEqual([expect.stringMatching(/^the C preprocessor on x\/Dockerfile\.in: .*Comment/s)]);
  });

  it('is an error when nothing comes of it', async () => {
    await expect(made('x.in', '#include "missing"\n')).rejects.toMatchObject({
      code: 'KUBEFILE_SYNTAX',
      hint: expect.stringContaining('missing') as unknown,
    });
  });
});
