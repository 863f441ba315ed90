/**
 * The real thing: Debian 12 for arm64. Its root file system is finished by a build of ours, packages are installed
 * with apt, and what comes out is read by everybody else's tools.
 */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { openForeignTools, runTool, type ForeignTools } from '../support/foreign-tools.ts';
import { captureCliState, diffHostState } from '../support/host-state.ts';
import { describeWith } from '../support/requires.ts';
import { debianRootfs } from './debian-rootfs.ts';
import { build, cachedSteps } from './projects.ts';
import { closeVerified } from './verified.ts';

const KUBEFILE = `FROM debian AS data
WORKDIR /data
COPY numbers.json .
RUN sed -i 's/1/100/' numbers.json

FROM debian
RUN apt-get update && apt-get install -y --no-install-recommends jq
COPY --chmod=755 program /usr/local/bin/program
COPY --from=data --chown=nobody /data/ /srv/
ENV FILTER=.numbers
WORKDIR /srv
USER nobody
CMD ["program"]
`;
const PROGRAM = '#!/bin/sh\nexec jq -c "$FILTER" numbers.json\n';
const FILES = { 'numbers.json': '{"numbers":[1,2,3]}\n', program: PROGRAM };

let cli: Cli;
let tools: ForeignTools;

beforeAll(async () => {
  cli = await openCli();
  tools = await openForeignTools();
  await cli.run(['import', await debianRootfs(), 'debian', '--platform', 'linux/arm64']);
});
afterAll(async () => {
  await closeVerified(cli);
  await tools[Symbol.asyncDispose]();
});

const ARGS = ['--dialect', 'dockerfile'];
const project = (files: typeof FILES = FILES): Parameters<typeof build>[2] => ({
  kubefile: KUBEFILE,
  files,
  args: ARGS,
});

describeWith(['root', 'private-binfmt', 'command:debootstrap'], 'Debian 12 for arm64', () => {
  it('is whole after its second stage', async () => {
    expect(await cli.run(['run', 'debian', 'dpkg', '--print-architecture'])).toBe('arm64');
    expect(await cli.run(['run', 'debian', 'dpkg', '--audit'])).toBe('');
    expect(await cli.run(['run', 'debian', 'cat', '/etc/debian_version'])).toMatch(/^12\./);
    expect(
      await cli.run([
        'run',
        'debian',
        'sh',
        '-c',
        'ls -d /debootstrap || stat -c %a%U /tmp /etc/shadow /usr/bin/passwd',
      ]),
    ).toBe('1777root\n640root\n4755root');
  });

  it('gets packages with apt, from a build that leaves the host as it was', async () => {
    const before = captureCliState(cli);
    await build(cli, 'app', project());
    expect(diffHostState(before, captureCliState(cli))).toEqual([]);
    expect(await cli.run(['run', 'app'])).toBe('[100,2,3]');
    expect(await cli.run(['run', '-e', 'FILTER=.numbers|add', 'app'])).toBe('105');
    expect(await cli.run(['run', 'app', 'sh', '-c', 'id -un; pwd; stat -c %U .'])).toBe('nobody\n/srv\nroot');
    expect(
      await cli.run(['run', '-u', '0', 'app', 'dpkg-query', '-W', '-f', '${db:Status-Status}', 'jq']),
    ).toBe('installed');
    expect(await cli.run(['run', '-u', '0', 'app', 'dpkg', '--audit'])).toBe('');
  });

  it('rebuilds after a changed file only what follows it', async () => {
    const unchanged = await build(cli, 'app', project());
    expect(cachedSteps(unchanged.log)).toHaveLength(10);
    const { log } = await build(cli, 'app', project({ ...FILES, program: PROGRAM.replace('-c', '-c -r') }));
    const cached = cachedSteps(log);
    expect(cached).toContain("RUN sed -i 's/1/100/' numbers.json");
    expect(cached).toContain('RUN apt-get update && apt-get install -y --no-install-recommends jq');
    expect(cached).not.toContain('COPY --chmod=755 program /usr/local/bin/program');
    expect(await cli.run(['run', 'app'])).toBe('[100,2,3]');
  });

  it('passes its own verification', async () => {
    const answer = JSON.parse(await cli.run(['verify', '--json', 'app'])) as { findings: unknown[] }[];
    expect(answer.map(({ findings }) => findings)).toEqual([[]]);
  });
});

describeWith(
  ['root', 'private-binfmt', 'command:skopeo', 'command:umoci', 'command:buildah', 'command:podman'],
  'the same image elsewhere',
  () => {
    let archive: string;
    beforeAll(async () => {
      archive = cli.scratch.path('app.tar');
      await build(cli, 'app', project());
      await cli.run(['save', '-o', archive, 'app']);
    });

    it('is what skopeo says it is, and copies to a directory', async () => {
      const inspected = JSON.parse(await tools.skopeo(['inspect', `oci-archive:${archive}`])) as Record<
        string,
        unknown
      >;
      expect(inspected).toMatchObject({ Architecture: 'arm64', Os: 'linux' });
      const target = tools.scratch.path('dir');
      await tools.skopeo(['copy', '--quiet', `oci-archive:${archive}`, `dir:${target}`]);
      expect(existsSync(`${target}/manifest.json`)).toBe(true);
      await rm(target, { recursive: true });
    });

    it('is unpacked by umoci to the same files as we run', async () => {
      const [layout, bundle] = [tools.scratch.path('layout'), tools.scratch.path('bundle')];
      await tools.skopeo(['copy', '--quiet', `oci-archive:${archive}`, `oci:${layout}:app`]);
      await tools.umoci(['unpack', '--image', `${layout}:app`, bundle]);
      expect(await readFile(`${bundle}/rootfs/usr/local/bin/program`, 'utf8')).toBe(PROGRAM);
      const listing = `find . -xdev \\( -path ./proc -o -path ./sys -o -path ./dev -o -path ./etc/hosts -o -path ./etc/resolv.conf -o -path ./mnt/list \\) -prune -o -printf '%p %y %m %U:%G %l\\n' | sort`;
      const theirs = await runTool('sh', ['-c', `cd "$0" && ${listing}`, `${bundle}/rootfs`], {
        env: { LC_ALL: 'C' },
      });
      const ours = await cli.run(['run', '-u', '0', '-w', '/', '-e', 'LC_ALL=C', 'app', 'sh', '-c', listing]);
      const [unpacked, seen] = [theirs.replace(/\n$/, '').split('\n'), ours.split('\n')];
      expect(seen.length).toBeGreaterThan(3000);
      const [inUnpacked, inSeen] = [new Set(unpacked), new Set(seen)];
      const missing = unpacked.filter((line) => !inSeen.has(line));
      const added = seen.filter((line) => !inUnpacked.has(line));
      expect({ missing, added }).toEqual({ missing: [], added: [] });
      await rm(bundle, { recursive: true });
    });

    it('is taken by buildah and by podman', async () => {
      await tools.buildah(['pull', '--quiet', `oci-archive:${archive}`]);
      const [id = ''] = (await tools.buildah(['images', '--quiet', '--no-trunc'])).trim().split('\n');
      const config = JSON.parse(await tools.buildah(['inspect', '--type', 'image', id])) as {
        OCIv1: { architecture: string; config: object };
      };
      expect(config.OCIv1).toMatchObject({
        architecture: 'arm64',
        config: { User: 'nobody', WorkingDir: '/srv', Cmd: ['program'] },
      });
      await tools.buildah(['rmi', '--all', '--force']);
      expect(await tools.podman(['load', '--quiet', '--input', archive])).toContain('app');
      expect(
        await tools.podman([
          'image',
          'inspect',
          '--format',
          '{{.Architecture}} {{.Config.User}}',
          'docker.io/library/app:latest',
        ]),
      ).toBe('arm64 nobody\n');
    });
  },
);
