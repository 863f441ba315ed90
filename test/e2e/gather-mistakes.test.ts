/** What a cluster image must not become: one for two machines, or one whose platforms have different images by one name. */
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { describeWithRoot } from '../support/requires.ts';
import { FakeRegistry } from '../transfer/fake-registry.ts';
import { addIndex } from '../transfer/memory-content.ts';
import { busyboxRootfs } from './bases.ts';
import { tryBuild, writeFiles } from './projects.ts';

const PLATFORMS = ['linux/arm64', 'linux/amd64'];

/** An arm64 image `base:1` whose archives have programs for amd64 in them, one of them an archive in an archive. */
async function buildRottenBase(cli: Cli): Promise<void> {
  const folder = cli.scratch.path('base');
  await writeFiles(folder, { Dockerfile: 'FROM scratch\nCOPY . .\n', 'bin/kubelet': '#!/bin/sh\n' });
  const pack =
    'mkdir -p cri images && gzip -1 < "$2" > cri/x.tar.gz && cp "$1" inner.tar && cp "$2" theirs.tar && ' +
    'tar cf images/y.tar inner.tar theirs.tar && rm inner.tar theirs.tar';
  const rootfs = [await busyboxRootfs('arm64'), await busyboxRootfs('amd64')];
  await runTool('sh', ['-c', pack, 'sh', ...rootfs], { cwd: folder });
  await cli.run(['build', '-q', '-t', 'base:1', '--platform', 'linux/arm64', folder]);
}

describeWithRoot('programs for another machine', () => {
  it('are refused in the archives of a base, all of them named, unless they are allowed', async () => {
    await using cli = await openCli();
    await buildRottenBase(cli);
    const project = {
      kubefile: '# syntax=kubefile/v2\nFROM base:1\nCOPY note etc/note\n',
      files: { note: 'x' },
      platforms: ['--platform', 'linux/arm64'],
    };
    const { status, stderr } = await tryBuild(cli, 'cluster:1', project);
    expect(status).toBe(1);
    expect(stderr.split('\n').filter((line) => line.includes(' is for '))).toEqual([
      '  linux/arm64: /cri/x.tar.gz!bin/busybox is for amd64',
      '  linux/arm64: /images/y.tar!theirs.tar!bin/busybox is for amd64',
    ]);
    expect(await cli.run(['images', '--json'])).not.toContain('cluster:1');
    const some = await tryBuild(cli, 'cluster:1', {
      ...project,
      args: ['--audit-allow', 'cri/x.tar.gz*/**'],
    });
    expect([some.status, some.stderr]).toEqual([
      1,
      expect.stringMatching(/one program is for another/) as unknown,
    ]);
    const warned = await tryBuild(cli, 'cluster:1', { ...project, args: ['--audit', 'warn'] });
    expect([warned.status, warned.stderr]).toEqual([
      0,
      expect.stringMatching(/warning: 2 programs .*x\.tar\.gz!bin\/busybox/) as unknown,
    ]);
  });
});

describeWithRoot('a tag that moves', () => {
  /** `app:1` is the first index for whoever asks first, and the second from then on. */
  async function movingTag(): Promise<{ registry: FakeRegistry; digests: readonly string[] }> {
    const registry = await FakeRegistry.start();
    const [first, second] = ['first', 'second'].map((files) =>
      addIndex(registry.content, PLATFORMS, { files: { 'etc/which': files } }),
    );
    if (first === undefined || second === undefined) throw new Error('two indexes were to be made');
    let asked = 0;
    registry.behaviours.push(({ url = '' }) => {
      if (url.endsWith('/manifests/1')) registry.tags.set('1', asked++ === 0 ? first : second);
      return false;
    });
    return { registry, digests: [first.digest, second.digest] };
  }

  it('between two platforms is one image in both, and stays it with the lock while that can be had', async () => {
    await using cli = await openCli();
    const { registry, digests } = await movingTag();
    await using _registry = registry;
    const project = {
      kubefile: '# syntax=kubefile/v2\nFROM scratch\nCOPY imageList manifests/imageList\n',
      files: { imageList: `${registry.host}/app:1\n` },
      platforms: ['--platform', PLATFORMS.join(',')],
      args: ['--pull', 'missing', '--image-lock', cli.scratch.path('lock.json')],
    };
    const lockedDigest = async (): Promise<string | undefined> =>
      /sha256:[0-9a-f]{64}/.exec(await readFile(cli.scratch.path('lock.json'), 'utf8'))?.[0];
    expect((await tryBuild(cli, 'cluster:1', project)).stderr).not.toContain('error');
    expect([await lockedDigest(), registry.asked('/manifests/1').length]).toEqual([digests[0], 1]);
    await using other = await openCli();
    const again = await tryBuild(other, 'cluster:1', project);
    expect([again.status, await lockedDigest()]).toEqual([0, digests[0]]);
    registry.content.blobs.delete(digests[0] ?? '');
    await using third = await openCli();
    const gone = await tryBuild(third, 'cluster:1', project);
    expect([gone.status, gone.stderr]).toEqual([
      1,
      expect.stringMatching(new RegExp(`app:1: .*has no image app@${digests[0] ?? ''}`)) as unknown,
    ]);
    const anew = await tryBuild(third, 'cluster:1', { ...project, args: ['--pull', 'always'] });
    expect([anew.status, anew.stderr]).toEqual([
      0,
      expect.stringContaining('gather one container image') as unknown,
    ]);
  });
});
