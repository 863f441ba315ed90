/** The architecture table made ready to use: magic and mask of each machine, and every name it goes by. */
import { machine } from 'node:os';
import { ArchBuildError } from '../errors.ts';
import { parsePlatform, type Platform } from '../oci/platform.ts';
import { ARCHITECTURE_TABLE, type ArchitectureRow, type ElfIdentity } from './architecture-table.ts';
import { magicOf, maskOf } from './magic.ts';

export interface Architecture {
  /** qemu's name of the machine: `aarch64`, `ppc64le`, … */
  readonly arch: string;
  readonly elf: ElfIdentity;
  /** Bits of e_flags that belong to the match; 0 where e_machine says it all. */
  readonly flagsMask: number;
  /** What binfmt_misc compares from offset 0, in hex; magic and mask have the same length. */
  readonly magic: string;
  readonly mask: string;
  /** OCI platforms that run under this emulator, the usual one first; may be empty. */
  readonly platforms: readonly Platform[];
  /** The name of Debian's port. */
  readonly debian: string | undefined;
  readonly aliases: readonly string[];
  /** The qemu target of the program: `qemu-<emulator>`. */
  readonly emulator: string;
  /** Machine code of exit(42) in hex, where one was tried. */
  readonly probe: string | undefined;
  /** The CPU model of emulated steps (QEMU_CPU); undefined leaves it to qemu. */
  readonly cpu: string | undefined;
  /** Older emulators start, but do not run what the machine's distributions are built for. */
  readonly oldestVersion: string | undefined;
}

export const ARCHITECTURES: readonly Architecture[] = ARCHITECTURE_TABLE.map(architectureOfRow);

/** The machine a platform's programs are written for; undefined when qemu has none (or the OS is not Linux). */
export function architectureOf(platform: Platform): Architecture | undefined {
  if (platform.os !== 'linux') return undefined;
  return ARCHITECTURES.find(({ platforms }) =>
    platforms.some(({ architecture }) => architecture === platform.architecture),
  );
}

/** By qemu's, Debian's, OCI's or the kernel's name, in any case. */
export function architectureByName(text: string): Architecture | undefined {
  return NAMES.get(text.toLowerCase())?.architecture;
}

/**
 * The platform that a machine name (`armv7l`) or a platform (`linux/arm64/v8`) means; undefined for a name nobody
 * uses and for platforms that are not in the table. Throws PLATFORM_INVALID for a malformed platform.
 */
export function platformOfMachine(text: string): Platform | undefined {
  if (!text.includes('/')) return NAMES.get(text.toLowerCase())?.platform;
  const platform = parsePlatform(text);
  return architectureOf(platform) === undefined ? undefined : platform;
}

/** The machine of this kernel (not of this program). Throws HOST_INCAPABLE on one that is not in the table. */
export function hostArchitecture(name: string = machine()): Architecture {
  const found = architectureByName(name);
  if (found !== undefined) return found;
  throw new ArchBuildError(
    'HOST_INCAPABLE',
    `this machine calls itself ${JSON.stringify(name)}, which is unknown`,
  );
}

/** What is known about this host: `compatible` lists other machines whose probe ran here without an emulator. */
export interface NativeFacts {
  readonly host: Architecture;
  readonly compatible: readonly Architecture[];
}

/** True when programs of the platform run on this host's processor itself. Variants (amd64/v3) are not judged. */
export function runsNatively(platform: Platform, { host, compatible }: NativeFacts): boolean {
  const wanted = architectureOf(platform);
  return wanted !== undefined && [host, ...compatible].some(({ arch }) => arch === wanted.arch);
}

interface Named {
  readonly architecture: Architecture;
  readonly platform: Platform | undefined;
}

const NAMES: ReadonlyMap<string, Named> = collectNames();

/** Earlier names win: a row's own name before the aliases of others. A row that borrows its emulator has none. */
function collectNames(): Map<string, Named> {
  const names = new Map<string, Named>();
  const add = (name: string, architecture: Architecture, variant?: string): void => {
    if (names.has(name)) return;
    const [usual] = architecture.platforms;
    const platform = architecture.platforms.find((candidate) => candidate.variant === variant);
    const unlisted = usual === undefined || variant === undefined ? usual : { ...usual, variant };
    names.set(name, { architecture, platform: platform ?? unlisted });
  };
  for (const each of ARCHITECTURES) if (each.arch === each.emulator) add(each.arch, each);
  for (const architecture of ARCHITECTURES) {
    for (const platform of architecture.platforms) add(platform.architecture, architecture);
    for (const alias of architecture.aliases) {
      const [name = alias, variant] = alias.split('=');
      add(name, architecture, variant);
    }
    if (architecture.debian !== undefined) add(architecture.debian, architecture);
  }
  return names;
}

function architectureOfRow(row: ArchitectureRow): Architecture {
  return {
    arch: row.arch,
    elf: row.elf,
    flagsMask: row.flagsMask ?? 0,
    // worked out for the few machines of which somebody asks
    get magic() {
      return magicOf(row).toString('hex');
    },
    get mask() {
      return maskOf(row).toString('hex');
    },
    platforms: row.platforms.map(platformOfRow),
    debian: row.debian,
    aliases: row.aliases ?? [],
    emulator: row.emulator ?? row.arch,
    probe: row.probe,
    cpu: row.cpu,
    oldestVersion: row.oldestVersion,
  };
}

function platformOfRow(text: string): Platform {
  const [architecture = '', variant] = text.split('/');
  return { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
}
