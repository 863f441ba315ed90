/**
 * Platforms as OCI names them, and the text form in which people write them.
 *
 *   platform  = os "/" arch [ "/" variant ]  |  os  |  arch        one word alone is looked up in the two tables
 *   os        = name [ "(" [ osversion ] *( "+" osfeature ) ")" ]  e.g. windows(10.0.17763+win32k)
 *   name      = 1*( letter | digit | "_" | "-" )                   the other words may have "." inside
 *
 * Everything is lower-cased and normalised, so that two spellings of a platform are equal values:
 *
 *   machine and distribution names   x86_64, aarch64, armhf (arm/v7), armel (arm/v6), armv7l, i686, ppc64el, …
 *   default variants                 amd64/v1 and arm64/v8 have no variant; arm without one is arm/v7
 *   variants without their v         arm/6 is arm/v6, arm64/9 is arm64/v9
 *   os                               macos is darwin
 *
 * These are the rules of containerd/platforms, with two differences: its parser keeps the variant of `arm64/v8` and
 * leaves out that of `arm` (and removes the difference when it compares), ours normalises at once; and it knows fewer
 * machine names.
 */
import { ArchBuildError } from '../errors.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
}

const OS_PATTERN = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)((?:\+[A-Za-z0-9_.-]+)*)\))?$/;
const WORD_PATTERN = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/;
const HINT = 'write os/architecture[/variant], such as linux/arm64 or linux/arm/v7';

/**
 * The normalised platform a text stands for. What a one-word text leaves out is taken from `host`; without it the os
 * is linux and a lone os is refused. Throws PLATFORM_INVALID.
 */
export function parsePlatform(text: string, host?: Platform): Platform {
  const [first = '', ...rest] = text.split('/', 4);
  const os = OS_PATTERN.exec(first);
  const isArchitecture = rest.length === 0 && WORD_PATTERN.test(first);
  if ((os === null && !isArchitecture) || rest.length > 2 || !rest.every((word) => WORD_PATTERN.test(word))) {
    throw invalid(`not a platform: ${quote(text)}`);
  }
  const [, name = first, version = '', features = ''] = os ?? [];
  const [architecture, variant] = rest;
  if (architecture === undefined)
    return parseLoneWord(text, { os: name, ...osDetails(version, features) }, host);
  return normalizePlatform({
    os: name,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...osDetails(version, features),
  });
}

/** Canonical spelling: aliases resolved, default variants and empty fields left out, os features sorted. */
export function normalizePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase();
  const [architecture, variant] = normalizeArchitecture(
    platform.architecture.toLowerCase(),
    platform.variant?.toLowerCase() ?? '',
  );
  return {
    os: OS_ALIASES.get(os) ?? os,
    architecture,
    ...(variant === '' ? {} : { variant }),
    ...osDetails(platform['os.version'] ?? '', platform['os.features'] ?? []),
  };
}

/** The text form of the normalised platform; `parsePlatform` gives the same platform back. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant, ...details } = normalizePlatform(platform);
  const features = (details['os.features'] ?? []).map((feature) => `+${feature}`).join('');
  const inside = `${details['os.version'] ?? ''}${features}`;
  return `${os}${inside === '' ? '' : `(${inside})`}/${architecture}${variant === undefined ? '' : `/${variant}`}`;
}

/** Without repetitions, in the order of their first places. */
export const uniquePlatforms = (platforms: readonly Platform[]): Platform[] => [
  ...new Map(platforms.map((platform) => [formatPlatform(platform), platform])).values(),
];

/**
 * Equal after normalisation: a fallback (arm/v6 for arm/v7, amd64 for amd64/v3) never matches. The os version and
 * features count only when they are asked for.
 */
export function matchesPlatform(want: Platform, have: Platform): boolean {
  const wanted = normalizePlatform(want);
  const found = normalizePlatform(have);
  const version = wanted['os.version'];
  const features = wanted['os.features'] ?? [];
  return (
    wanted.os === found.os &&
    wanted.architecture === found.architecture &&
    wanted.variant === found.variant &&
    (version === undefined || version === found['os.version']) &&
    features.every((feature) => found['os.features']?.includes(feature))
  );
}

/** The platform fields of an image config, normalised. */
export function platformOfConfig(config: Platform): Platform {
  return normalizePlatform(config);
}

const OS_ALIASES: ReadonlyMap<string, string> = new Map([['macos', 'darwin']]);

/** Architecture and, where the name says it, variant: kernel (`uname -m`), qemu and distribution names. */
const ARCHITECTURE_ALIASES: ReadonlyMap<string, readonly [architecture: string, variant?: string]> = new Map<
  string,
  readonly [string, string?]
>([
  ['x86_64', ['amd64']],
  ['x86-64', ['amd64']],
  ['i386', ['386', '']],
  ['i486', ['386', '']],
  ['i586', ['386', '']],
  ['i686', ['386', '']],
  ['aarch64', ['arm64']],
  ['armv8l', ['arm', 'v8']],
  ['armhf', ['arm', 'v7']],
  ['armv7', ['arm', 'v7']],
  ['armv7l', ['arm', 'v7']],
  ['armv7hl', ['arm', 'v7']],
  ['armel', ['arm', 'v6']],
  ['armv6', ['arm', 'v6']],
  ['armv6l', ['arm', 'v6']],
  ['armv6hl', ['arm', 'v6']],
  ['armv5l', ['arm', 'v5']],
  ['armv5tel', ['arm', 'v5']],
  ['ppc64el', ['ppc64le']],
  ['powerpc64le', ['ppc64le']],
  ['loongarch64', ['loong64']],
  ['mipsel', ['mipsle']],
  ['mips64el', ['mips64le']],
]);

/** Variants with a shorter or longer spelling, by architecture; '' is the default that is left out. */
const VARIANTS: Readonly<Record<string, ReadonlyMap<string, string>>> = {
  amd64: new Map([['v1', '']]),
  arm64: new Map([
    ...['8', 'v8', '8.0', 'v8.0'].map((variant) => [variant, ''] as const),
    ...['9', '9.0', 'v9.0'].map((variant) => [variant, 'v9'] as const),
  ]),
  arm: new Map([['', 'v7'], ...['5', '6', '7', '8'].map((variant) => [variant, `v${variant}`] as const)]),
};

const KNOWN_OS: ReadonlySet<string> = new Set(
  (
    'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris wasip1 windows ' +
    'zos'
  ).split(' '),
);
const KNOWN_ARCHITECTURES: ReadonlySet<string> = new Set(
  (
    '386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 ' +
    'ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm'
  ).split(' '),
);

type OsDetails = Pick<Platform, 'os.version' | 'os.features'>;

function osDetails(version: string, features: string | readonly string[]): OsDetails {
  const list = typeof features === 'string' ? features.split('+').slice(1) : features;
  return {
    ...(version === '' ? {} : { 'os.version': version }),
    ...(list.length === 0 ? {} : { 'os.features': [...new Set(list)].sort() }),
  };
}

function parseLoneWord(text: string, os: OsDetails & { os: string }, host: Platform | undefined): Platform {
  const asOs = normalizePlatform({ ...os, architecture: host?.architecture ?? '' });
  if (KNOWN_OS.has(asOs.os)) {
    if (host === undefined) throw invalid(`platform ${quote(text)} names no architecture`);
    return normalizePlatform({ ...asOs, ...(host.variant === undefined ? {} : { variant: host.variant }) });
  }
  const asArchitecture = normalizePlatform({ os: host?.os ?? 'linux', architecture: text });
  if (KNOWN_ARCHITECTURES.has(asArchitecture.architecture)) return asArchitecture;
  throw invalid(`neither an operating system nor an architecture: ${quote(text)}`);
}

function normalizeArchitecture(
  name: string,
  given: string,
): readonly [architecture: string, variant: string] {
  const [architecture, implied] = ARCHITECTURE_ALIASES.get(name) ?? [name];
  const variant = implied ?? given;
  const known = Object.hasOwn(VARIANTS, architecture) ? VARIANTS[architecture] : undefined;
  return [architecture, known?.get(variant) ?? variant];
}

const quote = (text: string): string => JSON.stringify(text.slice(0, 160));

function invalid(message: string): ArchBuildError {
  return new ArchBuildError('PLATFORM_INVALID', message, { hint: HINT });
}
