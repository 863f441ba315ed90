/** The emulator an entry is registered with: one that is still there when the entry is used. */
import { resolve } from 'node:path';
import { ArchBuildError } from '../../errors.ts';
import { hostArchitecture, type Architecture } from '../architecture.ts';
import { findEmulator, findEmulators, type Emulator, type LookupOptions } from '../emulators.ts';
import { runsOnHost } from '../host.ts';
import { importEmulator } from '../import.ts';

export interface LastingOptions {
  /** A file or a directory the user named. */
  readonly emulator: string | undefined;
  readonly environment: LookupOptions['environment'];
  readonly storeDirectory: string;
  /** It must be there at the next boot: one that has no lasting place is copied into the store. */
  readonly persist: boolean;
}

/** Throws EMULATOR_MISSING, EMULATOR_UNUSABLE, and BINFMT for a machine whose programs run here as they are. */
export async function lastingEmulator(
  architecture: Architecture,
  options: LastingOptions,
): Promise<Emulator> {
  const { arch } = architecture;
  if (await runsNatively(architecture)) {
    throw new ArchBuildError('BINFMT', `programs of ${arch} run on this host without an emulator`, {
      hint: 'register other machines only',
    });
  }
  const found = await findEmulator(architecture, lookupOf(options));
  if (options.emulator !== undefined && found.source !== 'explicit') {
    throw new ArchBuildError('EMULATOR_UNUSABLE', `${options.emulator} is no emulator of ${arch}`, {
      hint: 'leave --emulator out, and the best one of this host is taken',
    });
  }
  if (!options.persist || LASTING.includes(found.source)) return found;
  const imported = await importEmulator(found.path, { storeDirectory: options.storeDirectory });
  return imported.find((each) => each.arch === arch) ?? found;
}

const LASTING: readonly Emulator['source'][] = ['store', 'path', 'distribution'];

/** Whether `all` means this machine too. */
export async function canBeRegistered(architecture: Architecture, options: LastingOptions): Promise<boolean> {
  if (await runsNatively(architecture)) return false;
  const usable = await findEmulators(architecture, lookupOf(options));
  return usable.some(({ source }) => options.emulator === undefined || source === 'explicit');
}

async function runsNatively(architecture: Architecture): Promise<boolean> {
  if (architecture.arch === hostArchitecture().arch) return true;
  const [platform] = architecture.platforms;
  return platform !== undefined && (await runsOnHost(platform));
}

function lookupOf({ emulator, environment, storeDirectory }: LastingOptions): LookupOptions {
  const explicit = emulator === undefined ? {} : { explicit: [resolve(emulator)] };
  return { ...explicit, environment, storeDirectory };
}
