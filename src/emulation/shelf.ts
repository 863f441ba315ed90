/** The store's `emulators/<version>/qemu-<arch>`: several versions side by side, each file complete or absent. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ArchBuildError } from '../errors.ts';
import { hostArchitecture, type Architecture } from './architecture.ts';
import { checkEmulator, objection } from './emulator-file.ts';
import { EmulatorMemory } from './emulator-memory.ts';
import type { Emulator } from './emulators.ts';

export function shelfPath(storeDirectory: string, version: string, { emulator }: Architecture): string {
  return join(storeDirectory, 'emulators', version, `qemu-${emulator}`);
}

/** Moves a finished file, which must be on the store's file system, to its place. One that runs goes on running. */
export async function putOnShelf(file: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await chmod(file, 0o755);
  await rename(file, path);
}

/** What stands on the shelf. Throws EMULATOR_UNUSABLE when one is not a working emulator of its machine. */
export async function describeShelved(
  architectures: readonly Architecture[],
  version: string,
  { storeDirectory }: { readonly storeDirectory: string },
): Promise<readonly Emulator[]> {
  const options = { host: hostArchitecture(), memory: new EmulatorMemory(storeDirectory) };
  const emulators: Emulator[] = [];
  for (const architecture of architectures) {
    const path = shelfPath(storeDirectory, version, architecture);
    const check = await checkEmulator(path, architecture, options);
    if (check.kind !== 'usable') throw new ArchBuildError('EMULATOR_UNUSABLE', `${path} ${objection(check)}`);
    const { target: _, ...facts } = check.identity;
    emulators.push({ arch: architecture.arch, path, ...facts, source: 'store' });
  }
  return emulators;
}

/** Hex. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
