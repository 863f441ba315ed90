/** Every architecture Debian has a busybox for: one command builds them all, each step by its own emulator. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { openForeignTools } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { busyboxRootfs, fetchEmulators } from './bases.ts';
import { build, tryBuild } from './projects.ts';
import { closeVerified } from './verified.ts';

interface Row {
  /** As scripts/busybox-rootfs.sh says it. */
  readonly arch: string;
  readonly platform: string;
  /** What `uname -m` says; 386 runs natively. */
  readonly machine: string;
}

const ROWS: readonly Row[] = [
  { arch: 'amd64', platform: 'linux/amd64', machine: 'x86_64' },
  { arch: '386', platform: 'linux/386', machine: 'x86_64' },
  { arch: 'arm64', platform: 'linux/arm64', machine: 'aarch64' },
  { arch: 'armv7l', platform: 'linux/arm/v7', machine: 'armv7l' },
  { arch: 'armv5l', platform: 'linux/arm/v5', machine: 'armv7l' },
  { arch: 'ppc64le', platform: 'linux/ppc64le', machine: 'ppc64le' },
  { arch: 's390x', platform: 'linux/s390x', machine: 's390x' },
  { arch: 'riscv64', platform: 'linux/riscv64', machine: 'riscv64' },
  { arch: 'mips64le', platform: 'linux/mips64le', machine: 'mips64' },
  { arch: 'mipsle', platform: 'linux/mipsle', machine: 'mips' },
  /** The usual emulator is too old for it: it gets a newer one unasked. */
  { arch: 'loong64', platform: 'linux/loong64', machine: 'loongarch64' },
];

const KUBEFILE = `FROM busybox:$TARGETARCH$TARGETVARIANT
ARG TARGETPLATFORM
RUN uname -m > /machine && echo $TARGETPLATFORM > /platform
RUN seq 1 100 | grep 7 | wc -l > /sevens
CMD ["cat", "/machine"]
`;

let cli: Cli;
let digest: string;

beforeAll(async () => {
  cli = await openCli();
  await fetchEmulators(['arm', 'ppc64le', 's390x', 'riscv64', 'mips64el', 'mipsel', 'loongarch64']);
  for (const { arch, platform } of ROWS) {
    const tag = platform.replace('linux/', '').replace('/', '');
    await cli.run(['import', await busyboxRootfs(arch), `busybox:${tag}`, '--platform', platform]);
  }
  const platforms = ['--platform', ROWS.map(({ platform }) => platform).join(',')];
  ({ digest } = await build(cli, 'every', { kubefile: KUBEFILE, platforms }));
});
afterAll(() => closeVerified(cli));

interface Inspected {
  readonly digest: string;
  readonly index: { readonly manifests: readonly { digest: string; platform: object }[] };
  readonly platforms: readonly { platform: string; config: { architecture: string } }[];
}

describeWith(['root', 'private-binfmt', 'command:skopeo'], 'an image for every architecture', () => {
  it('is an index with a manifest per platform, in the order asked for', async () => {
    const image = JSON.parse(await cli.run(['inspect', 'every'])) as Inspected;
    expect(image.digest).toBe(digest);
    expect(image.platforms.map(({ platform }) => platform)).toEqual(ROWS.map(({ platform }) => platform));
    expect(new Set(image.index.manifests.map((manifest) => manifest.digest)).size).toBe(ROWS.length);
    expect(await cli.run(['verify', 'every'])).not.toMatch(/problem/);
  });

  it.each(ROWS)('runs on $platform as $machine', async ({ platform, machine }) => {
    expect(await cli.run(['run', '--platform', platform, 'every'])).toBe(machine);
    expect(await cli.run(['run', '--platform', platform, 'every', 'cat', '/platform', '/sevens'])).toBe(
      `${platform}\n19`,
    );
  });

  it('runs for the host’s platform unless told', async () => {
    expect(await cli.run(['run', 'every', 'uname', '-m'])).toBe('x86_64');
  });

  it('is saved whole, and skopeo copies all of it', async () => {
    await using tools = await openForeignTools();
    const archive = tools.scratch.path('every.tar');
    await cli.run(['save', '-o', archive, 'every']);
    const target = tools.scratch.path('copy');
    await tools.skopeo([
      'copy',
      '--all',
      '--preserve-digests',
      '--quiet',
      `oci-archive:${archive}`,
      `oci:${target}:every`,
    ]);
    const top = JSON.parse(await readFile(`${target}/index.json`, 'utf8')) as {
      manifests: { digest: string }[];
    };
    expect(top.manifests.map((manifest) => manifest.digest)).toEqual([digest]);
    const raw = await tools.skopeo(['inspect', '--raw', `oci:${target}:every`]);
    expect((JSON.parse(raw) as { manifests: unknown[] }).manifests).toHaveLength(ROWS.length);
  });

  it('is saved for one platform alone', async () => {
    await using tools = await openForeignTools();
    const archive = tools.scratch.path('one.tar');
    await cli.run(['save', '-o', archive, '--platform', 'linux/arm/v7', 'every']);
    const inspected = JSON.parse(await tools.skopeo(['inspect', `oci-archive:${archive}`])) as {
      Architecture: string;
    };
    expect(inspected.Architecture).toBe('arm');
  });

  it('lets a stage run natively for a foreign target', async () => {
    const kubefile = `FROM --platform=$BUILDPLATFORM busybox:amd64 AS tools
ARG TARGETARCH
RUN echo "$(uname -m) for $TARGETARCH" > /made
FROM busybox:arm64
COPY --from=tools /made /made
RUN uname -m >> /made
`;
    await build(cli, 'cross', { kubefile });
    expect(await cli.run(['run', 'cross', 'cat', '/made'])).toBe('x86_64 for arm64\naarch64');
  });

  it('is for another system as long as only its configuration is made', async () => {
    const platforms = ['--platform', 'windows(10.0.1+win32k)/amd64'];
    await build(cli, 'windows', { kubefile: 'FROM scratch\nENV A=b\n', platforms });
    const inspected = JSON.parse(await cli.run(['inspect', 'windows'])) as {
      platforms: { config: Record<string, unknown> }[];
    };
    expect(inspected.platforms[0]?.config).toMatchObject({
      os: 'windows',
      'os.version': '10.0.1',
      'os.features': ['win32k'],
      config: { Env: expect.arrayContaining(['A=b']) as unknown },
    });
    const layered = await tryBuild(cli, 'windows', { kubefile: 'FROM scratch\nWORKDIR /a\n', platforms });
    expect(layered.stderr).toMatch(/^error\[HOST_INCAPABLE\] .*layers of Windows images/m);
  });

  it.each([
    { name: 'the one of the last stage when none is named', args: [], architecture: 'arm64' },
    { name: 'the one that is named', args: ['--platform', 'linux/s390x'], architecture: 's390x' },
  ])('is for $name', async ({ args, architecture }) => {
    const kubefile = 'FROM --platform=linux/arm64 busybox:arm64\nENV A=b\n';
    await build(cli, 'implied', { kubefile, args: ['--dialect', 'dockerfile', ...args], platforms: [] });
    const inspected = JSON.parse(await cli.run(['inspect', 'implied'])) as {
      platforms: { config: { architecture: string } }[];
    };
    expect(inspected.platforms.map(({ config }) => config.architecture)).toEqual([architecture]);
  });
});
