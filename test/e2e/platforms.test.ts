/** Three platforms in one build, at the same time: one image, or none. */
import { chmodSync, utimesSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCli, type Cli, type Outcome } from '../support/cli.ts';
import { captureCliState, diffHostState } from '../support/host-state.ts';
import { describeWith } from '../support/requires.ts';
import { busyboxRootfs, fetchEmulators } from './bases.ts';
import { build, STACK_TRACE, tryBuild, writeFiles } from './projects.ts';

const BASES = [
  ['arm64', 'linux/arm64', 'aarch64'],
  ['amd64', 'linux/amd64', 'x86_64'],
  ['armv7l', 'linux/arm/v7', 'armv7l'],
] as const;
const PLATFORMS = BASES.map(([, platform]) => platform);
const ALL = ['--platform', PLATFORMS.join(',')];

const KUBEFILE = `FROM --platform=$BUILDPLATFORM busybox:amd64 AS tools
RUN --mount=type=cache,target=/count echo x >> /count/times && cp /count/times /times
FROM busybox:$TARGETARCH$TARGETVARIANT AS one
RUN uname -m > /machine
FROM busybox:$TARGETARCH$TARGETVARIANT AS two
ARG TARGETPLATFORM
RUN echo $TARGETPLATFORM > /platform
FROM busybox:$TARGETARCH$TARGETVARIANT
COPY files /files/
COPY --from=one /machine /machine
COPY --from=two /platform /platform
COPY --from=tools /times /times
RUN seq 1 100 | grep 7 | wc -l > /sevens
CMD ["cat", "/machine", "/platform", "/sevens"]
`;
/** What an ordinary user of the image reads and starts, whatever the umask of the one who builds. */
const FOR_EVERYBODY = `COPY <<EOT /text
text
EOT
USER 65534
RUN <<EOT
#!/bin/sh
cat /etc/hosts /etc/resolv.conf /text
EOT
`;
const FILES = { 'files/b': 'b\n', 'files/a': 'a\n', 'files/sub/c': 'c\n' };
const ARGS = ['--dialect', 'dockerfile'];

async function openBases(): Promise<Cli> {
  const cli = await openCli();
  await fetchEmulators(['aarch64', 'arm']);
  for (const [arch, platform] of BASES) {
    const tag = platform.replace('linux/', '').replace('/', '');
    await cli.run(['import', await busyboxRootfs(arch), `busybox:${tag}`, '--platform', platform]);
  }
  return cli;
}

interface Inspected {
  readonly digest: string;
  readonly index: { readonly manifests: readonly { readonly digest: string }[] };
  readonly platforms: readonly { readonly platform: string }[];
}

const inspect = async (cli: Cli, name: string): Promise<Inspected> =>
  JSON.parse(await cli.run(['inspect', name])) as Inspected;

let cli: Cli;
beforeAll(async () => {
  cli = await openBases();
});
afterAll(() => cli[Symbol.asyncDispose]());

interface StepEvent {
  readonly type: string;
  readonly text?: string;
  readonly step?: { readonly platform: string; readonly stage: string; readonly index: number };
}

const eventsOf = ({ stderr }: Outcome): StepEvent[] =>
  stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as StepEvent);

describeWith(['root', 'private-binfmt'], 'three platforms', () => {
  it('are one index in the order asked for, whatever is ready first, and each one runs', async () => {
    const before = captureCliState(cli);
    const kubefile = KUBEFILE.replace(
      'RUN uname',
      'ARG TARGETARCH\nRUN [ $TARGETARCH != arm64 ] || sleep 1; uname',
    );
    await build(cli, 'three', { kubefile, files: FILES, platforms: ALL, args: [...ARGS, '--jobs', '6'] });
    const { platforms, index } = await inspect(cli, 'three');
    expect(platforms.map(({ platform }) => platform)).toEqual(PLATFORMS);
    expect(new Set(index.manifests.map(({ digest }) => digest)).size).toBe(3);
    for (const [, platform, machine] of BASES)
      expect(await cli.run(['run', '--platform', platform, 'three'])).toBe(`${machine}\n${platform}\n19`);
    expect(diffHostState(before, captureCliState(cli))).toEqual([]);
  });

  it('share a stage for the build’s own platform: it runs once, without a cache as well', async () => {
    const outcome = await tryBuild(cli, 'shared', {
      kubefile: KUBEFILE.replaceAll('/count', '/shared-count'),
      files: FILES,
      platforms: ALL,
      args: [...ARGS, '--no-cache', '--jobs', '4', '--progress', 'json'],
    });
    expect(outcome.status, outcome.stderr).toBe(0);
    const tools = eventsOf(outcome).filter(({ step }) => step?.stage === 'tools');
    expect(tools.map(({ type }) => type).sort()).toEqual([
      'step-cached',
      'step-cached',
      'step-finished',
      'step-started',
      'step-usage',
    ]);
    for (const platform of PLATFORMS)
      expect(await cli.run(['run', '--platform', platform, 'shared', 'cat', '/times'])).toBe('x');
  });

  it('are built strictly one after the other with --jobs 1, at the same time with more', async () => {
    const run = async (jobs: string): Promise<string[]> => {
      const project = { kubefile: KUBEFILE, files: FILES, platforms: ALL };
      const args = [...ARGS, '--no-cache', '--jobs', jobs, '--progress', 'json'];
      const outcome = await tryBuild(cli, `jobs${jobs}`, { ...project, args });
      expect(outcome.status, outcome.stderr).toBe(0);
      return eventsOf(outcome).flatMap(({ type, step, text = 'RUN' }) =>
        step === undefined || type === 'step-output' || !/^(?:RUN|COPY)/.test(text)
          ? []
          : [`${type} ${step.platform} ${step.stage} ${step.index}`],
      );
    };
    const alone = await run('1');
    const platforms = alone.map((line) => line.split(' ')[1]);
    expect(platforms).toEqual(
      [...platforms].sort((a, b) => PLATFORMS.indexOf(a as never) - PLATFORMS.indexOf(b as never)),
    );
    const running = new Set<string>();
    let most = 0;
    for (const line of await run('3')) {
      const [type, ...step] = line.split(' ');
      if (type === 'step-started') running.add(step.join(' '));
      else running.delete(step.join(' '));
      most = Math.max(most, running.size);
    }
    expect(most).toBe(3);
  });

  it('fail together: the others stop, the error names the platform, and nothing is tagged', async () => {
    const kubefile = `FROM busybox:$TARGETARCH$TARGETVARIANT
ARG TARGETARCH
RUN if [ $TARGETARCH = amd64 ]; then sleep 1; echo broken; exit 7; else sleep 300; fi
`;
    const before = captureCliState(cli);
    const started = performance.now();
    const args = [...ARGS, '--jobs', '3'];
    const { status, stdout, stderr } = await tryBuild(cli, 'broken', { kubefile, platforms: ALL, args });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(performance.now() - started).toBeLessThan(60_000);
    expect(stderr).toMatch(/error\[RUN_FAILED\] \S*Kubefile:3:1: linux\/amd64: .*status 7/);
    expect(stderr.match(/error\[/g)).toHaveLength(1);
    expect(stderr).not.toMatch(STACK_TRACE);
    expect(await cli.run(['images'])).not.toContain('broken');
    expect(diffHostState(before, captureCliState(cli))).toEqual([]);
  });

  it.each(['SIGINT', 'SIGKILL'] as const)('go on where they were after %s', async (signal) => {
    const kubefile = `FROM busybox:$TARGETARCH$TARGETVARIANT
RUN echo ${signal} > /first
RUN [ -e /context/slow ] && sleep 300; echo second > /second
`;
    const before = captureCliState(cli);
    const tag = `cut-by-${signal.toLowerCase()}`;
    const slow = kubefile.replace('RUN [', 'RUN --mount=type=bind,source=.,target=/context [');
    const project = { kubefile: slow, platforms: ALL, args: [...ARGS, '--jobs', '3'] };
    const context = cli.scratch.path('context');
    await writeFiles(context, { slow: '' });
    const interrupt = { signal, when: /(?:1 2\/2\] |0 2\/2\] )RUN/ };
    const cut = await tryBuild(cli, tag, { ...project, interrupt });
    expect(signal === 'SIGINT' ? cut.status : cut.signal).toBe(signal === 'SIGINT' ? 130 : 'SIGKILL');
    expect(await cli.run(['images'])).not.toContain(tag);
    const { log } = await build(cli, tag, { ...project, kubefile: slow.replace('/slow', '/other') });
    expect(log).toMatch(/cached RUN echo/);
    expect((await inspect(cli, tag)).platforms).toHaveLength(3);
    expect(diffHostState(before, captureCliState(cli))).toEqual([]);
  });
});

describeWith(['root', 'private-binfmt'], 'the same input', () => {
  it('gives the same digests in another place, order, umask, zone and number of jobs', async () => {
    const digests: string[] = [];
    const bases = cli.scratch.path('bases.tar');
    await cli.run(['save', '-o', bases, 'busybox:arm64', 'busybox:amd64', 'busybox:armv7']);
    for (const [jobs, umask, zone, names] of [
      ['1', '022', 'UTC', ['files/a', 'files/b', 'files/sub/c']],
      ['5', '077', 'Asia/Tokyo', ['files/sub/c', 'files/b', 'files/a']],
    ] as const) {
      await using other = await openCli();
      await other.run(['load', '-i', bases]);
      const folder = `context-${jobs}`;
      await mkdir(other.scratch.path(folder));
      for (const name of names) {
        await writeFiles(other.scratch.path(folder), { [name]: FILES[name] });
        utimesSync(
          other.scratch.path(`${folder}/${name}`),
          Date.now() / 1000,
          Date.now() / 1000 - Number(jobs),
        );
        chmodSync(other.scratch.path(`${folder}/${name}`), 0o644);
      }
      for (const directory of ['files', 'files/sub'])
        chmodSync(other.scratch.path(`${folder}/${directory}`), 0o755);
      const { digest } = await build(other, 'same', {
        kubefile: KUBEFILE + FOR_EVERYBODY,
        folder,
        platforms: ALL,
        args: [...ARGS, '--jobs', jobs, '--source-date-epoch', '1700000000'],
        through: ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh'],
        env: { TZ: zone },
      });
      digests.push(digest);
      const through = ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh'];
      const seen = await other.call(['run', '--platform', 'linux/arm64', 'same', 'cat', '/etc/hosts'], {
        through,
      });
      expect(seen.stdout).toContain('localhost');
    }
    expect(digests[1]).toBe(digests[0]);
  });
});
