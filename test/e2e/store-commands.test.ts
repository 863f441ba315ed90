/** The commands about the store itself, on an image for two platforms. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { describeWith } from '../support/requires.ts';
import { build } from './projects.ts';
import { closeVerified } from './verified.ts';

interface Row {
  readonly name: string | null;
  readonly digest: string;
  readonly partial: boolean;
  readonly absent: readonly string[];
  readonly platforms: readonly { readonly platform: string; readonly digest: string }[];
}

let cli: Cli;
let digest: string;

const images = async (...args: readonly string[]): Promise<Row[]> =>
  JSON.parse(await cli.run(['images', '--json', ...args])) as Row[];
const lines = (text: string): string[] => text.split('\n');

beforeAll(async () => {
  cli = await openCli();
  const kubefile = 'FROM scratch\nCOPY hello /hello\nLABEL a=b\n';
  const platforms = ['--platform', 'linux/amd64,linux/arm64'];
  const project = { kubefile, files: { hello: 'hello\n' }, platforms, args: ['--dialect', 'dockerfile'] };
  ({ digest } = await build(cli, 'two:v1', project));
  await cli.run(['tag', 'two:v1', 'registry.example/team/other:v2']);
  await cli.run(['tag', '--platform', 'linux/arm64', 'two:v1', 'arm-only']);
});
afterAll(() => closeVerified(cli));

describeWith(['root'], 'images', () => {
  it('prints ids once, also whole', async () => {
    const ids = lines(await cli.run(['images', '-q', '--no-trunc']));
    expect(ids).toHaveLength(2);
    expect(ids).toContain(digest);
    expect(lines(await cli.run(['images', '-q']))).toEqual(ids.map((id) => id.slice(7, 19)));
  });

  it.each([
    ['reference=two', ['docker.io/library/two:v1']],
    ['reference=two:v*', ['docker.io/library/two:v1']],
    ['reference=registry.example/*/other', ['registry.example/team/other:v2']],
    ['reference=*', ['docker.io/library/two:v1', 'docker.io/library/arm-only:latest']],
    ['platform=amd64', ['docker.io/library/two:v1', 'registry.example/team/other:v2']],
    ['dangling=true', []],
    ['partial=true', []],
    ['before=arm-only', ['docker.io/library/two:v1', 'registry.example/team/other:v2']],
  ])('filters %s', async (filter, expected) => {
    expect((await images('--filter', filter)).map(({ name }) => name)).toEqual(expected);
  });

  it('refuses a filter that is none', async () => {
    for (const filter of ['nothing=1', 'dangling', 'dangling=maybe'])
      expect(await cli.call(['images', '--filter', filter])).toMatchObject({ status: 2, stdout: '' });
  });

  it('shows the manifests’ digests', async () => {
    const [{ platforms } = { platforms: [] }] = await images('--filter', 'reference=two');
    const table = await cli.run(['images', '--digests', '--no-trunc', '--filter', 'reference=two']);
    for (const each of platforms) expect(table).toContain(`${digest}  ${each.digest}`);
  });
});

describeWith(['root'], 'inspect', () => {
  it('prints the bytes of what the name stands for, and of one platform', async () => {
    const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;
    const call = async (...args: readonly string[]): Promise<string> =>
      sha256((await cli.call(['inspect', '--raw', 'two:v1', ...args])).stdout);
    expect(await call()).toBe(digest);
    const [{ digest: arm } = { digest: '' }] = await images('--filter', 'reference=arm-only');
    expect(await call('--platform', 'linux/arm64')).toBe(arm);
  });

  it('tells layers with their diffIDs', async () => {
    const { platforms } = JSON.parse(await cli.run(['inspect', 'two:v1'])) as {
      platforms: { layers: { diffId: string; size: number }[]; config: { rootfs: { diff_ids: string[] } } }[];
    };
    for (const { layers, config } of platforms)
      expect(layers.map(({ diffId }) => diffId)).toEqual(config.rootfs.diff_ids);
  });
});

describeWith(['root'], 'one platform', () => {
  it('is not removed while another image has it, then the image is partial and still whole in itself', async () => {
    const remove = ['rmi', '--platform', 'linux/arm64', 'two:v1'];
    const { status, stderr } = await cli.call(remove);
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining('arch-build rmi docker.io/library/arm-only'),
    ]);
    await cli.run(['rmi', 'arm-only']);
    await cli.run(remove);
    const [row] = await images('--filter', 'partial=true', '--filter', 'reference=two');
    expect(row).toMatchObject({ digest, absent: ['linux/arm64'] });
    expect(await cli.run(['images'])).toMatch(/^two +v1 +linux\/amd64 \(1 of 2\) /m);
    expect(await cli.run(['images', '--platforms', '--filter', 'reference=two'])).toMatch(
      /linux\/arm64 .* absent$/m,
    );
    expect(JSON.parse(await cli.run(['inspect', 'two:v1']))).toMatchObject({ partial: true });
    const verified = await cli.call(['verify', 'two:v1']);
    expect(verified).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('platform-absent') as string,
    });
    await cli.run(['save', '-o', cli.scratch.path('partial.tar'), 'two:v1']);
    expect((await cli.call(['verify', cli.scratch.path('partial.tar')])).status).toBe(0);
    expect(
      (await cli.call(['verify', '--platform', 'linux/amd64', cli.scratch.path('partial.tar')])).status,
    ).toBe(0);
  });
});

describeWith(['root'], 'df and prune', () => {
  it('agree about what can go', async () => {
    const usage = JSON.parse(await cli.run(['df', '--json'])) as Record<string, { reclaimable: number }>;
    const promised = ['images', 'snapshots', 'cache'].reduce(
      (sum, each) => sum + (usage[each]?.reclaimable ?? 0),
      0,
    );
    expect(await cli.run(['df'])).toMatch(/^Images +2 /m);
    const kept = JSON.parse(await cli.run(['prune', '--json', '--filter', 'until=1h'])) as { bytes: number };
    expect(kept.bytes).toBe(0);
    const { bytes } = JSON.parse(await cli.run(['prune', '--json'])) as { bytes: number };
    expect(bytes).toBe(promised);
    expect((await cli.call(['prune', '--filter', 'until=yesterday'])).status).toBe(2);
    expect((await cli.call(['prune', '--keep-bytes', 'much'])).status).toBe(2);
  });

  it('with --all leave nothing', async () => {
    await cli.run(['prune', '--all']);
    expect(await images()).toEqual([]);
    expect(await cli.run(['df'])).toMatch(/^Images +0 /m);
  });
});
