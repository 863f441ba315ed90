/** `--cache-to` a registry, and another machine that builds three platforms from there. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { openForeignTools } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { DockerRegistry } from '../system/docker-registry.ts';
import { busyboxRootfs, fetchEmulators } from './bases.ts';
import { build, cachedSteps, tryBuild } from './projects.ts';

const BASES = [
  ['arm64', 'linux/arm64', 'arm64'],
  ['amd64', 'linux/amd64', 'amd64'],
  ['armv7l', 'linux/arm/v7', 'armv7'],
] as const;
const ALL = ['--platform', BASES.map(([, platform]) => platform).join(',')];
const KUBEFILE = `FROM busybox:$TARGETARCH$TARGETVARIANT AS made
RUN uname -m > /machine && cat /proc/sys/kernel/random/uuid > /once
FROM busybox:$TARGETARCH$TARGETVARIANT
COPY --from=made /machine /once /
RUN cat /machine > /seen
CMD ["cat", "/seen"]
`;
/** When both steps of a build are in the cache. */
const WRITTEN = / has 2 steps of this build/;
const INTERRUPTS = {
  fails: {},
  'is interrupted': { interrupt: { signal: 'SIGINT', when: WRITTEN } },
  'is killed': { interrupt: { signal: 'SIGKILL', when: WRITTEN } },
} as const;
const PROJECT = { kubefile: KUBEFILE, platforms: ALL };

let cli: Cli;
let archive: string;
beforeAll(async () => {
  cli = await openCli();
  await fetchEmulators(['aarch64', 'arm']);
  for (const [arch, platform, tag] of BASES)
    await cli.run(['import', await busyboxRootfs(arch), `busybox:${tag}`, '--platform', platform]);
  archive = cli.scratch.path('bases.tar');
  await cli.run(['save', '-o', archive, ...BASES.map(([, , tag]) => `busybox:${tag}`)]);
});
afterAll(() => cli[Symbol.asyncDispose]());

describeWith(
  ['root', 'private-binfmt', 'command:docker-registry', 'command:skopeo'],
  'a cache in a registry',
  () => {
    it('makes the same image on another machine, which runs no step', async () => {
      await using registry = await DockerRegistry.start(cli.scratch.path('.'));
      await using other = await openCli();
      await other.run(['load', '-i', archive]);
      const cache = `type=registry,ref=${registry.host}/team/cache:main`;
      const args = ['--dialect', 'dockerfile'];
      const { digest } = await build(cli, 'app', {
        ...PROJECT,
        args: [...args, '--cache-to', `${cache},mode=max`],
      });
      // Without emulators: a step that would have to run could not.
      const { log, digest: again } = await build(other, 'app', {
        ...PROJECT,
        args: [...args, '--cache-from', cache],
        env: { ARCH_BUILD_EMULATORS: undefined, PATH: '/usr/bin:/bin' },
      });
      expect(again).toBe(digest);
      expect(cachedSteps(log)).toHaveLength(BASES.length * 4);
      expect(log).not.toContain('emulation:');
      for (const [, platform] of BASES) await other.run(['run', '--platform', platform, 'app']);
      expect(await other.run(['verify', 'app'])).toContain('ok');
    });

    it('is an artifact that others copy', async () => {
      await using registry = await DockerRegistry.start(cli.scratch.path('.'));
      await using tools = await openForeignTools();
      const reference = `${registry.host}/team/cache:1`;
      await build(cli, 'app', {
        ...PROJECT,
        args: ['--cache-to', `type=registry,ref=${reference},mode=max`],
      });
      const target = tools.scratch.path('copied');
      await tools.skopeo([
        'copy',
        '--quiet',
        '--src-tls-verify=false',
        `docker://${reference}`,
        `oci:${target}:latest`,
      ]);
      await using other = await openCli();
      await other.run(['load', '-i', archive]);
      const { log } = await build(other, 'app', {
        ...PROJECT,
        args: ['--cache-from', `type=local,src=${target}`],
      });
      expect(cachedSteps(log)).toContain('RUN cat /machine > /seen');
    });

    it.each(['fails', 'is interrupted', 'is killed'] as const)(
      'has the steps of a build that %s, on top of what it had',
      async (end) => {
        await using registry = await DockerRegistry.start(cli.scratch.path('.'));
        await using other = await openCli();
        await other.run(['load', '-i', archive]);
        const cache = `${registry.host}/team/cache:main`;
        const project = { platforms: ['--platform', 'linux/amd64'], args: ['--no-cache'] };
        const kubefile = 'FROM busybox:amd64\nRUN cat /proc/sys/kernel/random/uuid > /once\n';
        const to = ['--debug', '--cache-to', `type=registry,ref=${cache},mode=max`];
        await build(cli, 'before', { ...project, kubefile, args: to });
        const last = end === 'fails' ? 'exit 3' : 'sleep 60';
        const outcome = await tryBuild(cli, 'never', {
          ...project,
          kubefile: `${kubefile.replace('once', 'twice')}RUN touch /two\nRUN ${last}\n`,
          args: ['--no-cache', ...to],
          ...INTERRUPTS[end],
        });
        expect(outcome.status ?? outcome.signal).toBe(
          { fails: 1, 'is interrupted': 130, 'is killed': 'SIGKILL' }[end],
        );
        const from = ['--cache-from', cache];
        for (const steps of [kubefile, `${kubefile.replace('once', 'twice')}RUN touch /two\n`]) {
          const { log } = await build(other, 'next', {
            ...project,
            kubefile: `${steps}RUN true\n`,
            args: from,
          });
          expect(cachedSteps(log)).toEqual(steps.trim().split('\n').slice(1));
          expect(log).toContain(`cached RUN cat /proc/sys/kernel/random/uuid`);
          expect(log).toContain(` (${cache})\n`);
        }
      },
    );

    it('that has gone away costs a warning where that is wanted, and whenever the build fails', async () => {
      const registry = await DockerRegistry.start(cli.scratch.path('.'));
      const project = { platforms: ['--platform', 'linux/amd64'] };
      const kubefile = 'FROM busybox:amd64\nRUN touch /one\nRUN sleep 1\nRUN touch /two\n';
      const reference = `${registry.host}/team/cache`;
      await registry[Symbol.asyncDispose]();
      const args = [
        '--no-cache',
        '--retry',
        '0',
        '--cache-to',
        `type=registry,ref=${reference},ignore-error=true`,
      ];
      const { log } = await build(cli, 'app', { ...project, kubefile, args });
      expect(log.match(/cannot be written/g)).toHaveLength(1);
      const failed = await tryBuild(cli, 'never', { ...project, kubefile: `${kubefile}RUN exit 3\n`, args });
      expect(failed.status).toBe(1);
      expect(failed.stderr).toContain('exited with status 3');
      expect(failed.stderr.match(/cannot be written/g)).toHaveLength(1);
    });

    it('that is out of reach costs a warning, and fails a build that was to write it', async () => {
      const from = await tryBuild(cli, 'app', {
        ...PROJECT,
        args: ['--no-cache', '--cache-from', '127.0.0.1:1/cache'],
      });
      expect(from.status, from.stderr).toBe(0);
      const changed = { ...PROJECT, kubefile: `${KUBEFILE}RUN echo more\n` };
      const asked = await tryBuild(cli, 'app', { ...changed, args: ['--cache-from', '127.0.0.1:1/cache'] });
      expect(asked.status, asked.stderr).toBe(0);
      expect(asked.stderr).toContain('the cache 127.0.0.1:1/cache:latest is of no use here');
      const to = await tryBuild(cli, 'never', { ...PROJECT, args: ['--cache-to', '127.0.0.1:1/cache'] });
      expect({ status: to.status, stdout: to.stdout }).toEqual({ status: 1, stdout: '' });
    });
  },
);
