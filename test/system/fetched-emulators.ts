/** Emulators of all pinned versions, fetched once and kept between test runs. */
import { join } from 'node:path';
import { ARCHITECTURES } from '../../src/emulation/architecture.ts';
import type { Emulator } from '../../src/emulation/emulators.ts';
import { fetchEmulators } from '../../src/emulation/fetch.ts';
import { pinnedPackages } from '../../src/emulation/pins.ts';
import { CACHE, lockInCache } from '../support/made-once.ts';

export const testStore = join(CACHE, 'test-store');

/** By qemu target. */
export async function fetchedEmulators(version: string): Promise<ReadonlyMap<string, Emulator>> {
  const pinned = pinnedPackages().find((each) => each.version === version);
  const wanted = ARCHITECTURES.filter(({ arch }) => pinned !== undefined && arch in pinned.emulators);
  using _lock = await lockInCache('emulators');
  const emulators = await fetchEmulators(wanted, {
    storeDirectory: testStore,
    report: () => undefined,
    version,
  });
  return new Map(emulators.map((emulator) => [emulator.arch, emulator]));
}
