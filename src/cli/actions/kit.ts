/** `package`, `kit`. */
import { resolve } from 'node:path';
import { BaseImages } from '../../build/base-images.ts';
import { SHELL } from '../../build/step-toolbox.ts';
import {
  architectureOf,
  runsNatively,
  hostArchitecture,
  type Architecture,
} from '../../emulation/architecture.ts';
import { findEmulators, type Emulator } from '../../emulation/emulators.ts';
import { fetchToolbox } from '../../emulation/fetch-toolbox.ts';
import { pinnedToolboxes } from '../../emulation/pins.ts';
import { findToolbox, toolboxHint, type Toolbox } from '../../emulation/toolbox.ts';
import { fetchEmulators } from '../../emulation/fetch.ts';
import { hostPlatform } from '../../emulation/host.ts';
import { parseKubefile } from '../../kubefile/parse.ts';
import { checkArchiveName, writePackage } from '../../kit/archive.ts';
import { kitFiles } from '../../kit/kit-content.ts';
import { collectImages } from '../../kit/kit-needs.ts';
import { platformsWithoutShell } from '../../kit/kit-toolboxes.ts';
import { packageFiles, packageVersion } from '../../kit/package.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import { architecturesNamed, targetPlatforms } from '../architectures.ts';
import { contextsOf, withoutFetching } from '../build-contexts.ts';
import { openPlace } from '../build-place.ts';
import { epochOfEnvironment } from '../epoch.ts';
import type { KitFlags, PackageFlags } from '../flags.ts';
import { refuseContradiction, reporterFor, requireNetwork, storeFor, type Globals } from '../globals.ts';
import { requireRoot } from '../require-root.ts';
import { buildArgsOf } from '../build-args.ts';
import { pinnedArchitectures } from './emulators.ts';

const KIT_FOLDER_NAME = 'arch-build-kit';

export async function writeProgram(globals: Globals, flags: PackageFlags): Promise<void> {
  const folder = `arch-build-${packageVersion()}-linux-x64`;
  const output = resolve(flags.output ?? `${folder}.tar.xz`);
  checkArchiveName(output);
  const emulators = await emulatorsFor(globals, flags.emulators.length === 0 ? ['aarch64'] : flags.emulators);
  const files = await packageFiles({ emulators, ...nodeOf(flags) });
  const sha256 = await writePackage(output, files, { folder, ...datedBy(globals) });
  process.stdout.write(`${sha256}  ${output}\n`);
}

export async function writeKit(globals: Globals, contextArgument: string, flags: KitFlags): Promise<void> {
  refuseContradiction(globals, flags);
  requireRoot(globals); // snapshots have owners that only root of some namespace reads
  const output = resolve(flags.output);
  checkArchiveName(output);
  const buildContexts = withoutFetching(contextsOf(flags.buildContext));
  await using place = await openPlace(globals, contextArgument, flags);
  const { path, text } = place.source.file;
  const { platforms } = targetPlatforms(flags);
  const source = {
    kubefile: parseKubefile(text, { file: path, dialect: flags.dialect }),
    options: {
      buildArgs: buildArgsOf(flags),
      buildContexts,
      target: flags.target,
      platforms,
    },
    hostPlatform: hostPlatform(),
  };
  await using store = await storeFor(globals);
  const report = reporterFor(globals);
  const job = { store, report, signal: globals.signal };
  const bases = new BaseImages(job, { pull: flags.pull, insecure: flags.insecure, offline: globals.offline });
  const images = await collectImages(bases, { source, context: place.source.context, extra: flags.image });
  const emulators = await emulatorsFor(
    globals,
    flags.emulators.length === 0 ? platforms.filter(isForeign).map(formatPlatform) : flags.emulators,
  );
  const toolboxes = await toolboxesFor(globals, await platformsWithoutShell(job, bases, source));
  for (const { name, platform } of images)
    report({ type: 'info', text: `packing ${name} for ${formatPlatform(platform)}` });
  const files = [
    ...(await packageFiles({ emulators, toolboxes, ...nodeOf(flags) })),
    ...(await kitFiles(store, images)),
  ];
  const options = { folder: KIT_FOLDER_NAME, ...datedBy(globals) };
  process.stdout.write(`${await writePackage(output, files, options)}  ${output}\n`);
}

const datedBy = ({ signal }: Globals): { epochSeconds: number | undefined; signal: AbortSignal } => ({
  epochSeconds: epochOfEnvironment(),
  signal,
});

const nodeOf = ({ node }: { readonly node?: string }): { node?: string } =>
  node === undefined ? {} : { node: resolve(node) };

const isForeign = (platform: Platform): boolean =>
  !runsNatively(platform, { host: hostArchitecture(), compatible: [] });

/** Those that are here already, else fetched. */
async function emulatorsFor(globals: Globals, names: readonly string[]): Promise<Emulator[]> {
  if (names.length === 0 || names.includes('none')) return [];
  const wanted = names.includes('all') ? pinnedArchitectures() : architecturesNamed(names);
  const emulators: Emulator[] = [];
  for (const architecture of wanted) emulators.push(await emulatorFor(globals, architecture));
  return emulators;
}

/** Those that are here already, else fetched; one that is not to be had is warned of: a COPY may bring a shell. */
async function toolboxesFor(globals: Globals, platforms: readonly Platform[]): Promise<Toolbox[]> {
  const wanted = new Map(
    platforms.flatMap((platform) => {
      const architecture = architectureOf(platform);
      return architecture === undefined ? [] : [[architecture.arch, architecture] as const];
    }),
  );
  const places = { environment: process.env, storeDirectory: globals.root };
  const report = reporterFor(globals);
  const toolboxes: Toolbox[] = [];
  for (const architecture of wanted.values()) {
    const isPinned = pinnedToolboxes().some(({ arch }) => arch === architecture.arch);
    const here = await findToolbox(architecture, places);
    if (here === undefined && isPinned && !globals.offline)
      await fetchToolbox(architecture, { storeDirectory: globals.root, report, signal: globals.signal });
    const found = here ?? (await findToolbox(architecture, places));
    if (found !== undefined) toolboxes.push(found);
    else
      report({
        type: 'warning',
        text: `a RUN for ${architecture.arch} has no ${SHELL}, and there is no toolbox to pack: ${toolboxHint(architecture)}`,
      });
  }
  return toolboxes;
}

async function emulatorFor(globals: Globals, architecture: Architecture): Promise<Emulator> {
  const options = { environment: process.env, storeDirectory: globals.root };
  const [best] = await findEmulators(architecture, options);
  if (best !== undefined) return best;
  requireNetwork(globals, `fetching the emulator for ${architecture.arch}`);
  const [fetched] = await fetchEmulators([architecture], {
    storeDirectory: globals.root,
    report: reporterFor(globals),
    signal: globals.signal,
  });
  if (fetched === undefined) throw new TypeError(`nothing was fetched for ${architecture.arch}`);
  return fetched;
}
