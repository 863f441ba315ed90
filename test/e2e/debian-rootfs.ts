/**
 * A finished Debian 12 root file system for arm64, made by a build of ours: the second stage of debootstrap runs
 * hundreds of foreign programs and takes minutes, so the result is kept under .cache/ between runs.
 */
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { openCli } from '../support/cli.ts';
import { openForeignTools, runTool } from '../support/foreign-tools.ts';
import { DEBIAN_ROOTFS, debianFirstStage } from './bases.ts';
import { build } from './projects.ts';

const SECOND_STAGE = `FROM first-stage
RUN container=lxc /debootstrap/debootstrap --second-stage && apt-get clean
`;

/** Path of the tar. */
export async function debianRootfs(): Promise<string> {
  if (!existsSync(DEBIAN_ROOTFS)) await makeRootfs();
  return DEBIAN_ROOTFS;
}

/** The image of the second stage as umoci unpacks and GNU tar packs it. */
async function makeRootfs(): Promise<void> {
  await using cli = await openCli();
  await using tools = await openForeignTools();
  await cli.run(['import', await debianFirstStage(), 'first-stage', '--platform', 'linux/arm64']);
  await build(cli, 'second-stage', { kubefile: SECOND_STAGE });
  const [archive, layout, rootfs] = ['stage.tar', 'stage', 'rootfs'].map((name) =>
    tools.scratch.path(name),
  ) as [string, string, string];
  await cli.run(['save', '-o', archive, 'second-stage']);
  await tools.skopeo(['copy', '--quiet', `oci-archive:${archive}`, `oci:${layout}:it`]);
  await tools.umoci(['raw', 'unpack', '--image', `${layout}:it`, rootfs]);
  const part = `${DEBIAN_ROOTFS}.part`;
  await mkdir(dirname(part), { recursive: true });
  const form = ['--format=posix', '--numeric-owner', '--sort=name', '--xattrs', '--xattrs-include=*'];
  await runTool('tar', ['--create', '--file', part, '--directory', rootfs, ...form, '.']);
  await rename(part, DEBIAN_ROOTFS);
}
