/** Machine names and platforms of the command line. */
import {
  ARCHITECTURES,
  architectureByName,
  architectureOf,
  platformOfMachine,
  type Architecture,
} from '../emulation/architecture.ts';
import { hostPlatform } from '../emulation/host.ts';
import { ArchBuildError } from '../errors.ts';
import { parsePlatform, uniquePlatforms, type Platform } from '../oci/platform.ts';
import type { BuildFlags, PlatformFlags } from './flags.ts';

/** `all` (and nothing) are all of them. Throws USAGE for a name nobody uses. */
export function architecturesNamed(names: readonly string[]): Architecture[] {
  if (names.length === 0 || names.includes('all')) return [...ARCHITECTURES];
  return names.map((name) => {
    const platform = name.includes('/') ? platformNamed(name) : undefined;
    const found = platform === undefined ? architectureByName(name) : architectureOf(platform);
    if (found !== undefined) return found;
    throw new ArchBuildError('USAGE', `unknown machine ${JSON.stringify(name)}`, {
      hint: `known are ${ARCHITECTURES.map(({ arch }) => arch).join(', ')}, and platforms such as linux/arm64`,
    });
  });
}

/** A machine name (`aarch64`) or a platform (`linux/arm64`). Throws USAGE. */
export function platformNamed(text: string): Platform {
  try {
    return platformOfMachine(text) ?? parsePlatform(text);
  } catch (cause) {
    if (!(cause instanceof ArchBuildError)) throw cause;
    throw new ArchBuildError('USAGE', cause.message, {
      hint: 'write a machine such as aarch64, or os/architecture[/variant] such as linux/arm64',
      cause,
    });
  }
}

/** What `--platform` of commands that move images names; each once. */
export const platformsFlag = (texts: readonly string[]): Platform[] =>
  uniquePlatforms(texts.map(platformNamed));

/** What `--platform` of commands about one image names. */
export const platformFlag = ({ platform }: PlatformFlags): Platform | undefined =>
  platform === undefined ? undefined : platformNamed(platform);

export interface TargetPlatforms {
  /** Those of `platforms` whose emulator must work. */
  readonly emulate: readonly Platform[];
  readonly platforms: readonly Platform[];
  /** Nothing was named. */
  readonly platformImplied: boolean;
}

/** What is built for: the host's platform unless others are named. Throws USAGE. */
export function targetPlatforms(flags: Pick<BuildFlags, 'emulate' | 'platform'>): TargetPlatforms {
  const emulate = platformsFlag(flags.emulate);
  const named = platformsFlag([...flags.emulate, ...flags.platform]);
  const platformImplied = named.length === 0;
  return { emulate, platforms: platformImplied ? [hostPlatform()] : named, platformImplied };
}
