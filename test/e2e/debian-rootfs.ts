/**
 * A finished Debian 12 root file system for arm64, made by a build of ours: the second stage of debootstrap runs
 * hundreds of foreign programs and takes minutes, so the result is kept under .cache/ between runs.
 */
import { openCli } from '../support/cli.ts';
import { openForeignTools, runTool } from '../support/foreign-tools.ts';
import { madeOnce } from '../support/made-once.ts';
import { debianFirstStage } from './bases.ts';
import { build } from './projects.ts';

const SECOND_STAGE = `FROM first-stage
RUN container=lxc /debootstrap/debootstrap --second-stage && apt-get clean
`;

/** Path of the tar, which the benchmark reads too. */
export const debianRootfs = (): Promise<string> => madeOnce('debian-arm64.tar', makeRootfs);

/** The image of the second stage as umoci unpacks and GNU tar packs it. */
async function makeRootfs(path: string): Promise<void> {
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
  const form = ['--format=posix', '--numeric-owner', '--sort=name', '--xattrs', '--xattrs-include=*'];
  await runTool('tar', ['--create', '--file', path, '--directory', rootfs, ...form, '.']);
}
