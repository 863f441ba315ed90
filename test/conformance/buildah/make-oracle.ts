/**
 * Builds every case with BuildKit and writes `fixtures/oracle/buildah`. `scripts/make-oracle.sh` starts it where a
 * docker daemon runs; it is no test and vitest only loads it.
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { runTool } from '../../support/foreign-tools.ts';
import { readBuildahCases } from './cases.ts';
import { readTree, type ImageTree } from './image-tree.ts';
import { BY_BUILDAH, describeImage, FAILED, ORACLE } from './oracle.ts';
import { ROOTFS_NAME, STAND_IN_DOCKERFILE, STAND_IN_NAMES, standInRootfs } from './stand-in.ts';

/** The root directory with docker in it, and a directory that is `/work` there. */
const machine = process.env['DOCKER_MACHINE'] ?? '';
const shared = process.env['DOCKER_SHARED'] ?? '';
const NAME = 'localhost/oracle';

const docker = (...args: string[]): Promise<string> => runTool('chroot', [machine, 'docker', ...args]);

async function makeBase(): Promise<ImageTree> {
  const rootfs = await standInRootfs();
  await runTool('cp', [rootfs, join(shared, 'rootfs.tar')]);
  await docker('import', '/work/rootfs.tar', ROOTFS_NAME);
  await mkdir(join(shared, 'base'));
  await writeFile(join(shared, 'base/Dockerfile'), STAND_IN_DOCKERFILE);
  const tags = STAND_IN_NAMES.flatMap((name) => ['-t', name]);
  await docker('buildx', 'build', ...tags, '/work/base');
  return readTree([rootfs]);
}

/** Newer than this BuildKit, or in its way: `COPY *` fails when an ignored file is the target of a symbolic link. */
const TOO_MUCH = /unknown flag: exclude|"\/subdir-e\/file-n\.txt": not found/;

async function buildWithBuildah(context: string, options: readonly string[]): Promise<void> {
  const storage = ['--root', '/tmp/storage', '--runroot', '/tmp/run', '--storage-driver', 'vfs'];
  const build = ['build', '--isolation', 'chroot', '-o', 'type=tar,dest=/work/out.tar', ...options];
  await runTool('chroot', [machine, 'buildah', ...storage, ...build, `/work/${basename(context)}`]);
}

async function build(context: string, options: readonly string[]): Promise<void> {
  const place = `/work/${basename(context)}`;
  const common = ['--platform', 'linux/amd64', '--network=none', '--provenance=false', ...options];
  await docker('buildx', 'build', ...common, '-o', 'type=tar,dest=/work/out.tar', place);
  await docker('buildx', 'build', ...common, '-t', NAME, place);
}

it('writes what BuildKit makes of every case', { timeout: 3_600_000 }, async () => {
  const base = await makeBase();
  await mkdir(ORACLE, { recursive: true });
  for (const name of await readdir(ORACLE)) await rm(join(ORACLE, name));
  const only = process.env['ORACLE_CASES']?.split(',');
  let count = 0;
  for (const { name, buildArgs, shouldFail, ...item } of await readBuildahCases()) {
    if (only !== undefined && !only.includes(name)) continue;
    const context = join(shared, `case-${String(++count)}`);
    const dockerfile = item.arrange(context);
    const options = [
      ...['-f', dockerfile.replace(shared, '/work')],
      ...buildArgs.flatMap((argument) => ['--build-arg', argument]),
    ];
    let text = FAILED;
    try {
      await build(context, options);
      const config = JSON.parse(await docker('image', 'inspect', '-f', '{{json .Config}}', NAME)) as object;
      text = describeImage(await readTree([join(shared, 'out.tar')]), base, { ...config });
    } catch (error) {
      const reason = error instanceof Error ? error.message.trimEnd().split('\n').at(-1) : '';
      if (TOO_MUCH.test(reason ?? '')) {
        await buildWithBuildah(context, options);
        text = BY_BUILDAH + describeImage(await readTree([join(shared, 'out.tar')]), base);
      }
      console.log(`${name}: ${shouldFail ? 'fails as expected' : 'FAILS'}: ${reason ?? ''}`);
    }
    await writeFile(join(ORACLE, `${name}.txt`), text);
    await rm(context, { recursive: true });
  }
  expect(count).toBeGreaterThan(0);
});
