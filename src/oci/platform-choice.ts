/**
 * Which of the platforms there are serves one that is wanted: itself, or an older one whose programs run there too.
 * These are the rules of containerd/platforms (`Only`): amd64/v3 takes v2, then plain amd64, then 386; arm/v7 takes
 * v6, then v5; arm64/v9 takes v8, then 32-bit ARM. A choice is made where an image is looked for; what an image *is*
 * stays a matter of `matchesPlatform`.
 */
import { formatPlatform, matchesPlatform, normalizePlatform, type Platform } from './platform.ts';

/** How far a choice may go: nowhere, to older variants of the architecture, or to what its processors run as well. */
export type Reach = 'exact' | 'architecture' | 'machine';

/** The platforms that serve the wanted one, itself first, then the best. */
export function servingPlatforms(wanted: Platform, reach: Reach = 'machine'): Platform[] {
  const platform = normalizePlatform(wanted);
  if (reach === 'exact') return [platform];
  const served = OLDER[platform.architecture]?.(platform.variant ?? '') ?? [];
  return [
    platform,
    ...served
      .filter(([architecture]) => reach === 'machine' || architecture === platform.architecture)
      .map(([architecture, variant]) => {
        const { variant: _variant, ...rest } = platform;
        return normalizePlatform({ ...rest, architecture, ...(variant === '' ? {} : { variant }) });
      }),
  ];
}

/** The first of the best. Undefined when none serves. */
export function chooseByPlatform<Candidate>(
  wanted: Platform,
  candidates: readonly Candidate[],
  { platformOf, reach }: { readonly platformOf: (candidate: Candidate) => Platform; readonly reach?: Reach },
): Candidate | undefined {
  for (const platform of servingPlatforms(wanted, reach)) {
    const found = candidates.find((candidate) => matchesPlatform(platform, platformOf(candidate)));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What to tell people when something else than the wanted platform was chosen; undefined when it was not. */
export function describeFallback(name: string, wanted: Platform, chosen: Platform): string | undefined {
  if (matchesPlatform(wanted, chosen)) return undefined;
  return `${name} is not there for ${formatPlatform(wanted)}: ${formatPlatform(chosen)} is taken, which runs there`;
}

type Older = readonly (readonly [architecture: string, variant: string])[];

const OLDER: Readonly<Record<string, (variant: string) => Older>> = {
  amd64: (variant) => [...countedDown('amd64', numberOf(variant) - 1, 1), ['386', '']],
  arm: (variant) => countedDown('arm', numberOf(variant) - 1, 5),
  arm64: (variant) => [...olderArm64(variant), ...countedDown('arm', 8, 5)],
};

const numberOf = (variant: string): number => Number(/^v(\d{1,2})$/.exec(variant)?.[1] ?? 0);

const countedDown = (architecture: string, from: number, to: number): Older =>
  Array.from({ length: Math.max(0, from - to + 1) }, (_, index) => [architecture, `v${from - index}`]);

/** ARMv9.n has all of ARMv8.(n+5), and no more than v8.9 was ever made. */
function olderArm64(variant: string): Older {
  const [, major = '8', minor = '0'] =
    /^v([89])(?:\.(\d{1,2}))?$/.exec(variant === '' ? 'v8' : variant) ?? [];
  const below = (generation: string, from: number): Older =>
    Array.from({ length: Math.max(0, from + 1) }, (_, index) => {
      const left = from - index;
      return ['arm64', left === 0 ? `v${generation}` : `v${generation}.${left}`];
    });
  if (major === '8') return below('8', Number(minor) - 1);
  return [...below('9', Number(minor) - 1), ...below('8', Math.min(Number(minor) + 5, 9))];
}
