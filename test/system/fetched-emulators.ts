/** Emulators of all pinned versions, fetched once and kept between test runs. */
import { fileURLToPath } from 'node:url';
import { ARCHITECTURES } from '../../src/emulation/architecture.ts';
import type { Emulator } from '../../src/emulation/emulators.ts';
import { fetchEmulators } from '../../src/emulation/fetch.ts';
import { pinnedPackages } from '../../src/emulation/pins.ts';

export const testStore = fileURLToPath(new URL('../../.cache/test-store', import.meta.url));

/** By qemu target. */
export async function fetchedEmulators(version: string): Promise<ReadonlyMap<string, Emulator>> {
  const pinned = pinnedPackages().find((each) => each.version === version);
  const wanted = ARCHITECTURES.filter(({ arch }) => pinned !== undefined && arch in pinned.emulators);
  const emulators = await fetchEmulators(wanted, {
    storeDirectory: testStore,
    report: () => undefined,
    version,
  });
  return new Map(emulators.map((emulator) => [emulator.arch, emulator]));
}
