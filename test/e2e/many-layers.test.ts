/** Deep images: 127 layers are what overlayfs takes in one mount, and no option list may outgrow its page. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Cli } from '../support/cli.ts';
import { describeWith } from '../support/requires.ts';
import { openBusyboxCli } from './bases.ts';
import { build } from './projects.ts';
import { readSaved } from './saved-image.ts';
import { closeVerified } from './verified.ts';

let cli: Cli;

beforeAll(async () => {
  cli = await openBusyboxCli();
});
afterAll(() => closeVerified(cli));

/** Made by COPY, which mounts nothing; the last one by RUN over all the others. */
function kubefileOf(layers: number): string {
  const copies = Array.from(
    { length: layers - 2 },
    (_, index) => `COPY <<EOF /layers/${String(index)}\n${String(index)}\nEOF\n`,
  );
  return `FROM busybox\n${copies.join('')}RUN ls /layers | wc -l > /count\n`;
}

describeWith(['root', 'private-binfmt'], 'an image of many layers', () => {
  it.each([40, 100, 127])('of %i layers is built, saved, verified and run', async (layers) => {
    await build(cli, `deep:${String(layers)}`, {
      kubefile: kubefileOf(layers),
      args: ['--dialect', 'dockerfile'],
    });
    expect((await readSaved(cli, `deep:${String(layers)}`)).layers).toHaveLength(layers);
    expect(await cli.run(['verify', `deep:${String(layers)}`])).not.toBe('');
    expect(await cli.run(['run', `deep:${String(layers)}`, 'cat', '/count', '/layers/0'])).toBe(
      `${String(layers - 2)}\n0`,
    );
  });

  it('runs a step over as many layers as that, each made by a step', async () => {
    const runs = Array.from(
      { length: 30 },
      (_, index) => `RUN echo ${String(index)} > /run-${String(index)}\n`,
    );
    await build(cli, 'runs', { kubefile: `FROM busybox\n${runs.join('')}` });
    expect(await cli.run(['run', 'runs', 'sh', '-c', 'cat /run-* | wc -l'])).toBe('30');
  });
});
