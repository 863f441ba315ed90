/** The program with all it needs, as one archive for hosts that have nothing: the same input gives the same bytes. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Emulator } from '../emulation/emulators.ts';
import { packedToolboxPath, type Toolbox } from '../emulation/toolbox.ts';
import { packageRoot } from '../sys/package-root.ts';
import { tarText, type TarFile } from '../transfer/tar-writer.ts';
import { LAUNCHER } from './launcher.ts';
import { licenceFiles } from './licences.ts';
import { nativeModules, programFiles } from './program-files.ts';
import { findRuntime } from './runtime.ts';
import { diskFile, PROGRAM_MODE } from './tree-file.ts';

export interface PackageOptions {
  readonly emulators: readonly Emulator[];
  readonly toolboxes?: readonly Toolbox[];
  /** Instead of the Node that runs us. */
  readonly node?: string;
}

/** Paths are relative to the package's folder. Throws TOOL_MISSING for what cannot be packed. */
export async function packageFiles({
  emulators,
  toolboxes = [],
  node = process.execPath,
}: PackageOptions): Promise<TarFile[]> {
  const root = packageRoot();
  const runtime = await findRuntime(root, { node, modules: nativeModules(root) });
  return [
    { ...tarText('arch-build', LAUNCHER), mode: PROGRAM_MODE },
    ...programFiles(root),
    ...runtime.files,
    ...emulators.map(({ path, version }) => diskFile(emulatorPath(path, version), path, PROGRAM_MODE)),
    ...toolboxes.map((toolbox) => diskFile(packedToolboxPath(toolbox), toolbox.path, PROGRAM_MODE)),
    ...licenceFiles(root, { parts: runtime.parts, emulators, toolboxes }),
  ];
}

export function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string })
    .version;
}

/** Where emulation/emulators.ts looks for those that came with the program. */
const emulatorPath = (path: string, version: string): string =>
  `emulators/downloads/${version}/${basename(path).replace(/-static$/, '')}`;
