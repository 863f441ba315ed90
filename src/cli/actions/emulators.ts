/** `emulators ls`, `fetch`, `import`, `export`. */
import { resolve } from 'node:path';
import { writeBundle } from '../../emulation/bundle.ts';
import { findEmulator, lookUpEmulators, type Emulator } from '../../emulation/emulators.ts';
import { fetchEmulators } from '../../emulation/fetch.ts';
import { fetchToolbox } from '../../emulation/fetch-toolbox.ts';
import { importPrograms } from '../../emulation/import.ts';
import { importToolbox } from '../../emulation/import-toolbox.ts';
import { pinnedPackages, pinnedToolboxes } from '../../emulation/pins.ts';
import { findToolbox, type Toolbox } from '../../emulation/toolbox.ts';
import { ArchBuildError } from '../../errors.ts';
import { printJson } from '../answer.ts';
import { architecturesNamed } from '../architectures.ts';
import { wantsJson, type ExportFlags, type FetchFlags, type ListFlags } from '../flags.ts';
import { reporterFor, requireNetwork, type Globals } from '../globals.ts';
import { formatTable } from '../table.ts';
import { writeArchive } from '../write-archive.ts';

export async function list(globals: Globals, names: readonly string[], flags: ListFlags): Promise<void> {
  const usable: Emulator[] = [];
  const rejected: { path: string; why: string }[] = [];
  const toolboxes: Toolbox[] = [];
  for (const architecture of architecturesNamed(names)) {
    const places = { environment: process.env, storeDirectory: globals.root };
    const found = await lookUpEmulators(architecture, places);
    usable.push(...found.usable);
    rejected.push(...found.rejected);
    const toolbox = await findToolbox(architecture, places);
    if (toolbox !== undefined) toolboxes.push(toolbox);
  }
  if (wantsJson(flags)) {
    printJson({ emulators: usable, rejected, toolboxes });
    return;
  }
  for (const { path, why } of rejected) process.stderr.write(`not usable: ${path} ${why}\n`);
  process.stdout.write(formatEmulators(usable, toolboxes));
}

export async function fetch(globals: Globals, names: readonly string[], flags: FetchFlags): Promise<void> {
  const isToolbox = flags.toolbox === true;
  const pinned = isToolbox ? pinnedToolboxArchitectures : pinnedArchitectures;
  const architectures = names.includes('all') ? pinned() : architecturesNamed(names);
  requireNetwork(
    globals,
    `fetching ${isToolbox ? 'toolboxes' : 'emulators'} for ${architectures.map(({ arch }) => arch).join(', ')}`,
    isToolbox
      ? 'bring a busybox-static package along and run `arch-build emulators import FILE`'
      : 'bring a static qemu program along and run `arch-build emulators import FILE`',
  );
  const options = { storeDirectory: globals.root, report: reporterFor(globals), signal: globals.signal };
  if (isToolbox) return fetchToolboxes(architectures, options);
  const fetched = await fetchEmulators(architectures, {
    ...options,
    ...(flags.emulatorVersion === undefined ? {} : { version: flags.emulatorVersion }),
  });
  process.stdout.write(formatEmulators(fetched));
}

async function fetchToolboxes(
  architectures: ReturnType<typeof architecturesNamed>,
  options: Parameters<typeof fetchToolbox>[1],
): Promise<void> {
  const places = { environment: {}, storeDirectory: options.storeDirectory };
  const toolboxes: Toolbox[] = [];
  for (const architecture of architectures) {
    await fetchToolbox(architecture, options);
    const found = await findToolbox(architecture, places);
    if (found !== undefined) toolboxes.push(found);
  }
  process.stdout.write(formatEmulators([], toolboxes));
}

const pinnedToolboxArchitectures = (): ReturnType<typeof architecturesNamed> =>
  architecturesNamed(pinnedToolboxes().map(({ arch }) => arch));

/** What the first pinned package has. */
export function pinnedArchitectures(): ReturnType<typeof architecturesNamed> {
  const [first] = pinnedPackages();
  return architecturesNamed([]).filter(({ emulator }) => first !== undefined && emulator in first.emulators);
}

export async function importFiles(globals: Globals, files: readonly string[]): Promise<void> {
  const imported: Emulator[] = [];
  const toolboxes: Toolbox[] = [];
  for (const file of files.map((each) => resolve(each))) {
    const options = { storeDirectory: globals.root, signal: globals.signal };
    const toolbox = await importToolbox(file, options);
    const found =
      toolbox === undefined ? await importPrograms(file, options) : { emulators: [], toolboxes: [toolbox] };
    imported.push(...found.emulators);
    toolboxes.push(...found.toolboxes);
  }
  process.stdout.write(formatEmulators(imported, toolboxes));
}

export async function exportBundle(
  globals: Globals,
  names: readonly string[],
  { output, emulatorVersion }: ExportFlags,
): Promise<void> {
  const everything = names.length === 0 || names.includes('all');
  const skip = (error: unknown): undefined => {
    if (everything && error instanceof ArchBuildError) return undefined; // this host does not have them all
    throw error;
  };
  const chosen: Emulator[] = [];
  const toolboxes: Toolbox[] = [];
  for (const architecture of architecturesNamed(names)) {
    const lookup = {
      environment: process.env,
      storeDirectory: globals.root,
      ...(emulatorVersion === undefined ? {} : { version: emulatorVersion }),
    };
    const found = await findEmulator(architecture, lookup).catch(skip);
    if (found !== undefined) chosen.push(found);
    const toolbox = await findToolbox(architecture, lookup).catch(skip);
    if (toolbox !== undefined) toolboxes.push(toolbox);
  }
  if (chosen.length + toolboxes.length === 0) {
    throw new ArchBuildError('EMULATOR_MISSING', 'there are no such emulators on this host', {
      hint: '`arch-build emulators ls` lists those there are, `arch-build emulators fetch` gets some',
    });
  }
  await writeArchive(writeBundle(chosen, toolboxes), output);
  process.stderr.write(formatEmulators(chosen, toolboxes));
}

function formatEmulators(emulators: readonly Emulator[], toolboxes: readonly Toolbox[] = []): string {
  const named = toolboxes.map((each) => ({ ...each, version: `busybox ${each.version}` }));
  const rows = [...emulators, ...named].map(({ arch, version, source, sha256, path }) => [
    arch,
    version,
    source,
    sha256.slice(0, 12),
    path,
  ]);
  return formatTable(['ARCH', 'VERSION', 'FROM', 'SHA256', 'PATH'], rows);
}
