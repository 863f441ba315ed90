/** `emulators ls`, `fetch`, `import`. */
import { resolve } from 'node:path';
import { lookUpEmulators, type Emulator } from '../../emulation/emulators.ts';
import { fetchEmulators } from '../../emulation/fetch.ts';
import { importEmulator } from '../../emulation/import.ts';
import { pinnedPackages } from '../../emulation/pins.ts';
import { printJson } from '../answer.ts';
import { architecturesNamed } from '../architectures.ts';
import { wantsJson, type FetchFlags, type ListFlags } from '../flags.ts';
import { reporterFor, type Globals } from '../globals.ts';
import { formatTable } from '../table.ts';

export async function list(globals: Globals, names: readonly string[], flags: ListFlags): Promise<void> {
  const usable: Emulator[] = [];
  const rejected: { path: string; why: string }[] = [];
  for (const architecture of architecturesNamed(names)) {
    const found = await lookUpEmulators(architecture, {
      environment: process.env,
      storeDirectory: globals.root,
    });
    usable.push(...found.usable);
    rejected.push(...found.rejected);
  }
  if (wantsJson(flags)) {
    printJson({ emulators: usable, rejected });
    return;
  }
  for (const { path, why } of rejected) process.stderr.write(`not usable: ${path} ${why}\n`);
  process.stdout.write(formatEmulators(usable));
}

export async function fetch(globals: Globals, names: readonly string[], flags: FetchFlags): Promise<void> {
  const architectures = names.includes('all') ? pinnedArchitectures() : architecturesNamed(names);
  const fetched = await fetchEmulators(architectures, {
    storeDirectory: globals.root,
    report: reporterFor(globals),
    signal: globals.signal,
    ...(flags.emulatorVersion === undefined ? {} : { version: flags.emulatorVersion }),
  });
  process.stdout.write(formatEmulators(fetched));
}

/** What the first pinned package has. */
function pinnedArchitectures(): ReturnType<typeof architecturesNamed> {
  const [first] = pinnedPackages();
  return architecturesNamed([]).filter(({ emulator }) => first !== undefined && emulator in first.emulators);
}

export async function importFiles(globals: Globals, files: readonly string[]): Promise<void> {
  const imported: Emulator[] = [];
  for (const file of files) {
    imported.push(...(await importEmulator(resolve(file), { storeDirectory: globals.root })));
  }
  process.stdout.write(formatEmulators(imported));
}

function formatEmulators(emulators: readonly Emulator[]): string {
  const rows = emulators.map(({ arch, version, source, sha256, path }) => [
    arch,
    version,
    source,
    sha256.slice(0, 12),
    path,
  ]);
  return formatTable(['ARCH', 'VERSION', 'FROM', 'SHA256', 'PATH'], rows);
}
