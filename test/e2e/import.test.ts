/** `import` under a name that means another image already: the name moves, and what happens to that image is said. */
import { expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';

async function openWithRootfs(): Promise<Cli & { importAs(platform: string): Promise<string[]> }> {
  const cli = await openCli();
  await cli.scratch.write('rootfs/hello', 'hello\n');
  const tar = cli.scratch.path('rootfs.tar');
  await runTool('tar', ['-cf', tar, '-C', cli.scratch.path('rootfs'), '.']);
  const importAs = async (platform: string): Promise<string[]> => {
    const { status, stdout, stderr } = await cli.call(['import', tar, 'base:1', '--platform', platform]);
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/) as string]);
    return [stdout.trim(), stderr];
  };
  return { ...cli, importAs };
}

const platformsOf = async (cli: Cli, name: string): Promise<string[]> => {
  const { platforms } = JSON.parse(await cli.run(['inspect', name])) as { platforms: { platform: string }[] };
  return platforms.map(({ platform }) => platform);
};

describeWith(['root'], 'a name that another image has', () => {
  it('is taken from an image of another platform, which is told with the way to have both', async () => {
    await using cli = await openWithRootfs();
    const [first = '', nothing] = await cli.importAs('linux/amd64');
    expect(nothing).toBe('');
    const [, told = ''] = await cli.importAs('linux/arm64');
    expect(told).toMatch(
      new RegExp(
        `^warning: docker\\.io/library/base:1 was ${first} for linux/amd64: that image has no name now; `,
      ),
    );
    expect(await platformsOf(cli, 'base:1')).toEqual(['linux/arm64']);
    expect(await platformsOf(cli, first)).toEqual(['linux/amd64']);
    const [, command = ''] = /`arch-build (.*)`/.exec(told) ?? [];
    await cli.run(command.replace('NAME', 'both').split(' '));
    expect(await platformsOf(cli, 'both')).toEqual(['linux/amd64', 'linux/arm64']);
  });

  it('is taken from a list of platforms, and the way to have all of them is one that works', async () => {
    await using cli = await openWithRootfs();
    const [first = ''] = await cli.importAs('linux/amd64');
    await cli.importAs('linux/arm64');
    await cli.run(['manifest', 'create', 'list', first, 'base:1']);
    await cli.run(['tag', 'list', 'base:1']);
    const [, told = ''] = await cli.importAs('linux/riscv64');
    expect(told).toContain('for linux/amd64, linux/arm64: that image is still docker.io/library/list:latest');
    const [, command = ''] = /`arch-build (.*)`/.exec(told) ?? [];
    await cli.run(command.replace('NAME', 'three').split(' '));
    expect(await platformsOf(cli, 'three')).toEqual(['linux/amd64', 'linux/arm64', 'linux/riscv64']);
  });

  it('is taken from the image before of the same platform, without advice', async () => {
    await using cli = await openWithRootfs();
    const [first = ''] = await cli.importAs('linux/arm64');
    const [, told] = await cli.importAs('linux/arm64');
    expect(told).toBe(
      `warning: docker.io/library/base:1 was ${first} for linux/arm64: that image has no name now\n`,
    );
  });

  it('is taken from a damaged image all the same', async () => {
    await using cli = await openWithRootfs();
    const [first = ''] = await cli.importAs('linux/amd64');
    await runTool('rm', [`${cli.root}/blobs/${first.replace(':', '/')}`]);
    const [, told] = await cli.importAs('linux/arm64');
    expect(told).toBe(`warning: docker.io/library/base:1 was ${first}: that image has no name now\n`);
  });
});
