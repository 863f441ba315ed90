/** The emulators we vouch for: which package of which archive, with the digest of the package and of each program. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { existsSync } from 'node:fs';

export interface PinnedFile {
  /** Path inside the package, without a leading slash. */
  readonly file: string;
  /** Bytes. */
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
}

export interface PinnedPackage {
  /** qemu's own version. */
  readonly version: string;
  /** The machine these programs run on, in qemu's name. */
  readonly host: string;
  readonly distribution: string;
  readonly suite: string;
  readonly package: string;
  readonly packageVersion: string;
  readonly source: string;
  readonly licence: string;
  readonly size: number;
  readonly sha256: string;
  /** By qemu target. */
  readonly emulators: Readonly<Record<string, PinnedFile>>;
}

/** Beside the bundle (dist/), or beside src/. */
const DIRECTORIES = ['../emulators', '../../emulators'];

/** The package's `emulators/` directory: the pins, and downloads that came with a packed release. */
export function packageEmulators(): string {
  const candidates = DIRECTORIES.map((directory) => fileURLToPath(new URL(directory, import.meta.url)));
  return (
    candidates.find((directory) => existsSync(join(directory, 'pinned.json'))) ?? join(candidates[0] ?? '')
  );
}

let pins: Pins | undefined;

/** Best first: the order is a choice (speed on ordinary distributions), not the order of versions. */
export const pinnedPackages = (): readonly PinnedPackage[] => readPins().packages;

/** The package that has the toolbox of a machine. */
export interface PinnedToolbox extends Omit<PinnedPackage, 'version' | 'host' | 'emulators'> {
  readonly arch: string;
  /** Debian's name of the machine. */
  readonly architecture: string;
  readonly program: PinnedFile;
}

/** One for each machine there is one for. */
export const pinnedToolboxes = (): readonly PinnedToolbox[] => readPins().toolboxes;

interface Pins {
  readonly packages: readonly PinnedPackage[];
  readonly toolboxes: readonly PinnedToolbox[];
}

function readPins(): Pins {
  pins ??= JSON.parse(readFileSync(join(packageEmulators(), 'pinned.json'), 'utf8')) as Pins;
  return pins;
}
