/**
 * Emulators and toolboxes as one file to carry to a host without a network: a tar with a manifest of versions, digests,
 * and where the source is. The manifest comes first and says everything that follows.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ArchBuildError } from '../errors.ts';
import { architectureByName, hostArchitecture } from './architecture.ts';
import { compareVersions } from './emulator-version.ts';
import type { Emulator } from './emulators.ts';
import { beginsPlainTar, endAfter, formatHeader, paddingAfter } from './plain-tar.ts';
import { pinnedPackages, pinnedToolboxes, type PinnedPackage } from './pins.ts';
import { packedToolboxPath, type Toolbox } from './toolbox.ts';

export const MANIFEST = 'arch-build-emulators.json';
const FORMAT = 'arch-build emulators 1';

/** One program of it, an emulator or a toolbox. */
export interface BundledProgram {
  /** The qemu target; the machine of a toolbox. */
  readonly arch: string;
  readonly version: string;
  /** Name in the archive: `<version>/qemu-<arch>`, `toolbox/busybox-<arch>`. */
  readonly file: string;
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
  /** The distribution's binary and source package, where the program is one that we have pinned. */
  readonly package?: string;
  readonly source?: string;
  readonly licence?: string;
}

export interface BundleManifest {
  /** The machine the emulators run on. */
  readonly host: string;
  readonly emulators: readonly BundledProgram[];
  /** One for a machine. Not there when there are none. */
  readonly toolboxes?: readonly BundledProgram[];
}

export const isBundle = (beginning: Buffer): boolean => beginsPlainTar(beginning, MANIFEST);

/** The same programs give the same bytes. Throws DIGEST_MISMATCH when a file is not what it was found to be. */
export async function* writeBundle(
  emulators: readonly Emulator[],
  toolboxes: readonly Toolbox[] = [],
): AsyncGenerator<Buffer, undefined> {
  const chosen = uniqueInOrder(emulators).map((each) => ({ path: each.path, bundled: describe(each) }));
  const tools = toolboxes.map((each) => ({ path: each.path, bundled: describeToolbox(each) }));
  tools.sort((a, b) => (a.bundled.file < b.bundled.file ? -1 : 1));
  const manifest = {
    format: FORMAT,
    host: hostArchitecture().arch,
    emulators: chosen.map(({ bundled }) => bundled),
    ...(tools.length > 0 && { toolboxes: tools.map(({ bundled }) => bundled) }),
  };
  const text = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  let length = 0;
  const entry = (name: string, content: Buffer): Buffer[] => {
    const parts = [formatHeader({ name, size: content.length }), content, paddingAfter(content.length)];
    length += parts.reduce((total, part) => total + part.length, 0);
    return parts;
  };
  yield* entry(MANIFEST, text);
  for (const { path, bundled } of [...chosen, ...tools])
    yield* entry(bundled.file, await readVerified(path, bundled));
  yield endAfter(length);
}

/** Two machines may share a program, and two places the same version. */
function uniqueInOrder(emulators: readonly Emulator[]): Emulator[] {
  const unique = new Map<string, Emulator>();
  for (const emulator of emulators) {
    const key = fileOf(emulator);
    if (!unique.has(key)) unique.set(key, emulator);
  }
  return [...unique.values()].sort(
    (a, b) => compareVersions(a.version, b.version) || (targetOf(a.arch) < targetOf(b.arch) ? -1 : 1),
  );
}

const targetOf = (arch: string): string => architectureByName(arch)?.emulator ?? arch;
const fileOf = ({ arch, version }: Pick<Emulator, 'arch' | 'version'>): string =>
  `${version}/qemu-${targetOf(arch)}`;

function describe(emulator: Emulator): BundledProgram {
  const { arch, version, sha256, sizeBytes } = emulator;
  const origin = pinnedPackages().find((each) => each.emulators[targetOf(arch)]?.sha256 === sha256);
  return {
    arch: targetOf(arch),
    version,
    file: fileOf(emulator),
    size: sizeBytes,
    sha256,
    ...(origin && originOf(origin)),
  };
}

function describeToolbox({ arch, version, sha256, sizeBytes }: Toolbox): BundledProgram {
  const origin = pinnedToolboxes().find(({ program }) => program.sha256 === sha256);
  return {
    arch,
    version,
    file: packedToolboxPath({ arch }),
    size: sizeBytes,
    sha256,
    ...(origin && originOf(origin)),
  };
}

const originOf = (
  pinned: Pick<PinnedPackage, 'package' | 'packageVersion' | 'source' | 'licence'>,
): Pick<BundledProgram, 'package' | 'source' | 'licence'> => ({
  package: `${pinned.package} ${pinned.packageVersion}`,
  source: pinned.source,
  licence: pinned.licence,
});

async function readVerified(path: string, { sha256, size }: BundledProgram): Promise<Buffer> {
  const content = await readFile(path);
  const found = createHash('sha256').update(content).digest('hex');
  if (found === sha256 && content.length === size) return content;
  throw new ArchBuildError('DIGEST_MISMATCH', `${path} has changed while it was exported`);
}

/** Undefined for anything that `writeBundle` would not have written. Nothing in it is believed beyond its form. */
export function parseManifest(text: string): BundleManifest | undefined {
  const manifest = parseJson(text) as Partial<Record<'format' | keyof BundleManifest, unknown>> | undefined;
  const { format, host, emulators, toolboxes = [] } = manifest ?? {};
  if (format !== FORMAT || typeof host !== 'string') return undefined;
  if (!areBundled(emulators, isEmulator) || !areBundled(toolboxes, isToolbox)) return undefined;
  return emulators.length + toolboxes.length > 0 ? { host, emulators, toolboxes } : undefined;
}

function areBundled(
  values: unknown,
  isOne: (value: BundledProgram) => boolean,
): values is readonly BundledProgram[] {
  if (!Array.isArray(values) || values.length > MOST) return false;
  if (!values.every((each) => isBundled(each) && isOne(each))) return false;
  return new Set((values as BundledProgram[]).map(({ file }) => file)).size === values.length;
}

const isEmulator = ({ arch, version, file }: BundledProgram): boolean =>
  architectureByName(arch)?.emulator === arch && file === fileOf({ arch, version });

const isToolbox = ({ arch, file }: BundledProgram): boolean =>
  architectureByName(arch)?.arch === arch && file === packedToolboxPath({ arch });

const MOST = 500;
/** Far above any qemu. */
const LARGEST = 256 * 1024 * 1024;

function isBundled(value: unknown): value is BundledProgram {
  const { arch, version, file, size, sha256 } = (value ?? {}) as Partial<
    Record<keyof BundledProgram, unknown>
  >;
  if (typeof arch !== 'string' || typeof version !== 'string' || typeof sha256 !== 'string') return false;
  return (
    typeof file === 'string' &&
    /^\d[\w.+~-]{0,63}$/.test(version) &&
    Number.isSafeInteger(size) &&
    Number(size) > 0 &&
    Number(size) <= LARGEST &&
    /^[0-9a-f]{64}$/.test(sha256)
  );
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
