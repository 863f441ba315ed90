/**
 * buildah's conformance cases, built by our command line and compared with what BuildKit makes of them: every path
 * with its type, mode, owner and content, and the configuration of the image.
 *
 * `fixtures/oracle/buildah` holds BuildKit's results, and `scripts/make-oracle.sh` measures them anew.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { readArchive } from '../e2e/saved-image.ts';
import { openCli, type Cli } from '../support/cli.ts';
import { describeWith } from '../support/requires.ts';
import { readBuildahCases, type BuildahCase } from './buildah/cases.ts';
import { DIFFERENCES, NOT_COMPARED, REFUSED } from './buildah/differences.ts';
import { readTree, type ImageTree } from './buildah/image-tree.ts';
import { BY_BUILDAH, describeImage, FAILED, readOracle } from './buildah/oracle.ts';
import { ROOTFS_NAME, STAND_IN_DOCKERFILE, STAND_IN_NAMES, standInRootfs } from './buildah/stand-in.ts';
import { testVectors } from './tally.ts';

const cases = await readBuildahCases();

describeWith(['root', 'overlay'], 'buildah conformance', () => {
  const bench = openBench();
  afterAll(async () => (await bench).cli[Symbol.asyncDispose]());
  testVectors(
    'buildah conformance, against BuildKit',
    cases.map((item) => ({
      name: item.name,
      check: async () => {
        const oracle = readOracle(item.name);
        if (oracle === FAILED && !item.shouldFail && !(item.name in REFUSED)) {
          throw new Error('BuildKit could not build it: there is nothing to compare with');
        }
        const filesOnly = oracle.startsWith(BY_BUILDAH);
        const built = await build(await bench, item, filesOnly);
        expect(filesOnly ? BY_BUILDAH + built : built).toBe(expected(item.name, oracle));
      },
    })),
    NOT_COMPARED,
  );
});

/** The oracle's text with the listed differences in it: ours must have these and no others. */
function expected(name: string, oracle: string): string {
  const { replace = [], instead } = DIFFERENCES[name] ?? { replace: [] };
  if (instead !== undefined) return instead;
  return replace.reduce((text, [theirs, ours]) => {
    if (!text.includes(theirs)) throw new Error(`the oracle has no longer ${JSON.stringify(theirs)}`);
    return text.replaceAll(theirs, ours);
  }, oracle);
}

interface Bench {
  readonly cli: Cli;
  readonly base: ImageTree;
}

async function openBench(): Promise<Bench> {
  const rootfs = await standInRootfs();
  const cli = await openCli();
  await cli.run(['import', rootfs, ROOTFS_NAME, '--platform', 'linux/amd64']);
  const tags = STAND_IN_NAMES.flatMap((name) => ['-t', name]);
  await cli.run([...BUILD, ...tags, '-f', '-', '-q'], { input: STAND_IN_DOCKERFILE });
  return { cli, base: await readTree([rootfs]) };
}

const BUILD = ['build', '--platform', 'linux/amd64', '--pull', 'never', '--dialect', 'dockerfile'] as const;

/** What the image is, in the words of the oracle. */
async function build({ cli, base }: Bench, item: BuildahCase, filesOnly: boolean): Promise<string> {
  const { name, buildArgs } = item;
  const folder = cli.scratch.path(name);
  await mkdir(folder);
  const context = join(folder, 'context');
  const dockerfile = item.arrange(context);
  const archive = join(folder, 'built.tar');
  const { status, stderr } = await cli.call([
    ...BUILD,
    ...['-f', dockerfile, '-t', name.toLowerCase(), '-o', `type=oci,dest=${archive}`],
    ...buildArgs.flatMap((argument) => ['--build-arg', argument]),
    context,
  ]);
  if (status === 1) return FAILED;
  if (status !== 0) throw new Error(`exit status ${String(status)}: ${stderr}`);
  const { config, layerFiles } = await readArchive(archive);
  const text = describeImage(await readTree(layerFiles), base, filesOnly ? {} : config.config);
  await rm(folder, { recursive: true });
  return text;
}
