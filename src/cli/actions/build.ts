/** `arch-build build`: flags to options, and the digest to stdout. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { build as buildImage, type BuildResult } from '../../build/build.ts';
import { check } from '../../build/check.ts';
import type { BuildOptions } from '../../build/options.ts';
import { planBuild } from '../../build/plan.ts';
import { hostPlatform } from '../../emulation/host.ts';
import { ArchBuildError, systemErrorCode } from '../../errors.ts';
import { DIALECTS } from '../../kubefile/dialect.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import { formatReference, parseReference, withDefaultTag } from '../../oci/reference.ts';
import { once } from '../../transfer/once.ts';
import { writeOutputFile } from '../../transfer/output-file.ts';
import { printJson } from '../answer.ts';
import { platformNamed } from '../architectures.ts';
import { contextsOf } from '../build-contexts.ts';
import { gatherOptions } from '../gather-options.ts';
import { findingsData, findingsText } from '../findings.ts';
import type { BuildFlags } from '../flags.ts';
import { reporterFor, storeFor, type Globals } from '../globals.ts';
import { parseEpoch } from '../options.ts';
import { pairsOf, variablesOf } from '../pairs.ts';
import { secretsOf, sshAgentsOf } from '../secrets.ts';
import { formatPlan } from '../plan-text.ts';
import { requireRoot } from '../require-root.ts';
import { shellOnError } from '../shell-on-error.ts';

const DEFAULT_FILES = ['Kubefile', 'Dockerfile', 'Containerfile'];

/** Returns the exit status: 1 for a check with findings. */
export async function build(globals: Globals, contextArgument: string, flags: BuildFlags): Promise<number> {
  if (flags.check === true) return checkFile(globals, optionsOf(globals, contextArgument, flags), flags);
  requireRoot(globals);
  const options = optionsOf(globals, contextArgument, flags);
  if (flags.plan === true) return printPlan(globals, options, flags);
  const report = reporterFor(globals, flags.quiet === true ? 'quiet' : flags.progress);
  await using store = await storeFor(globals);
  const onFailedStep = flags.shellOnError === true ? shellOnError(report) : undefined;
  const result = await buildImage(
    { store, report, signal: globals.signal },
    { ...options, ...(onFailedStep && { onFailedStep }) },
  );
  await writeResult(flags.iidfile, result.root.digest);
  await writeResult(flags.metadataFile, metadataOf(result, options));
  process.stdout.write(`${result.root.digest}\n`);
  return 0;
}

async function printPlan(globals: Globals, options: BuildOptions, { json }: BuildFlags): Promise<number> {
  await using store = await storeFor(globals);
  const job = { store, report: reporterFor(globals, 'quiet'), signal: globals.signal };
  const plan = await planBuild(job, options);
  if (json === true) printJson(plan);
  else process.stdout.write(formatPlan(plan));
  return 0;
}

/** The store is looked at when there is one that this user can open: a check must not make one. */
async function checkFile(globals: Globals, options: BuildOptions, { json }: BuildFlags): Promise<number> {
  await using store = isReadableStore(globals.root) ? await storeFor(globals) : undefined;
  const result = await check({ store, signal: globals.signal }, options);
  if (json === true) printJson(findingsData(result));
  else process.stdout.write(findingsText(result));
  const { length } = result.findings;
  if (json !== true) {
    const found = length === 0 ? 'nothing found' : `${length} ${length === 1 ? 'finding' : 'findings'}`;
    process.stderr.write(
      `${result.kubefile.file} as ${DIALECTS[result.kubefile.dialect].syntax}: ${found}\n`,
    );
  }
  return length === 0 ? 0 : 1;
}

function isReadableStore(root: string): boolean {
  try {
    accessSync(join(root, 'oci-layout'), constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function optionsOf({ offline }: Globals, contextArgument: string, flags: BuildFlags): BuildOptions {
  refuseContradiction(offline, flags.pull);
  const context = resolve(contextArgument);
  const { emulate, platforms } = platformsOf(flags);
  return {
    offline,
    context,
    file: readKubefile(context, flags.file),
    tags: flags.tag.map((tag) => formatReference(withDefaultTag(parseReference(tag)))),
    platforms,
    emulate,
    dialect: flags.dialect,
    buildArgs: variablesOf('--build-arg', flags.buildArg),
    buildContexts: contextsOf(flags.buildContext),
    labels: pairsOf('--label', flags.label),
    annotations: pairsOf('--annotation', flags.annotation),
    target: flags.target,
    network: flags.network === 'none' || (flags.network === 'default' && offline) ? 'none' : 'host',
    secrets: secretsOf(flags.secret, process.env),
    sshAgents: sshAgentsOf(flags.ssh, process.env),
    noCache: !flags.cache,
    pull: flags.pull,
    isolation: flags.isolation,
    emulator: flags.emulator,
    emulatorCpu: flags.emulatorCpu,
    emulatorRetry: flags.emulatorRetry === true,
    sourceDateEpoch: flags.sourceDateEpoch ?? epochOfEnvironment(),
    insecure: flags.insecure,
    ...gatherOf(flags),
  };
}

function gatherOf(flags: BuildFlags): Pick<BuildOptions, 'gather'> {
  return flags.gather === 'none' ? {} : { gather: gatherOptions(flags) };
}

/** Throws USAGE. */
export function refuseContradiction(offline: boolean, pull: BuildFlags['pull']): void {
  if (offline && pull === 'always')
    throw new ArchBuildError('USAGE', '--pull always asks registries, and --offline forbids it');
}

/** What is built for: the host's platform unless others are named. Throws USAGE. */
export function platformsOf(
  flags: Pick<BuildFlags, 'emulate' | 'platform'>,
): Pick<BuildOptions, 'emulate' | 'platforms'> {
  const emulate = uniquePlatforms(flags.emulate.map(platformOf));
  const platforms = uniquePlatforms([...emulate, ...flags.platform.map(platformOf)]);
  return { emulate, platforms: platforms.length === 0 ? [hostPlatform()] : platforms };
}

function platformOf(text: string): Platform {
  const platform = platformNamed(text);
  if (platform.os === 'linux') return platform;
  throw new ArchBuildError(
    'USAGE',
    `cannot build for ${formatPlatform(platform)}: only Linux images are built`,
  );
}

const uniquePlatforms = (platforms: readonly Platform[]): Platform[] => [
  ...new Map(platforms.map((platform) => [formatPlatform(platform), platform])).values(),
];

export function readKubefile(context: string, file: string | undefined): BuildOptions['file'] {
  if (file === '-') return { path: 'stdin', text: readFileSync(0, 'utf8') };
  const path = file ?? defaultFile(context);
  try {
    refusePipe(path);
    return { path, text: readBounded(path) };
  } catch (cause) {
    if (cause instanceof ArchBuildError) throw cause;
    throw new ArchBuildError(
      'KUBEFILE_NOT_FOUND',
      `cannot read ${path}: ${systemErrorCode(cause) ?? String(cause)}`,
      {
        hint: `the file is looked up from the working directory; with -f - it is read from stdin`,
        cause,
      },
    );
  }
}

const FILE_LIMIT = 16 * 1024 * 1024;

/** A pipe is read to its end (`-f <(…)`); a device such as /dev/zero has none. */
function readBounded(path: string): string {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.allocUnsafe(FILE_LIMIT + 1);
    let length = 0;
    for (let count = -1; count !== 0; length += count)
      count = readSync(file, bytes, length, bytes.length - length, null);
    if (length > FILE_LIMIT) throw new ArchBuildError('KUBEFILE_NOT_FOUND', `${path} is larger than 16 MiB`);
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(file);
  }
}

function defaultFile(context: string): string {
  requireContext(context);
  const name = DEFAULT_FILES.find((candidate) => existsSync(join(context, candidate)));
  if (name !== undefined) return join(context, name);
  throw new ArchBuildError('KUBEFILE_NOT_FOUND', `${context} has no ${DEFAULT_FILES.join(', ')}`, {
    hint: 'name the file with -f, and the build context last',
  });
}

function requireContext(context: string): void {
  if (existsSync(context) && statSync(context).isDirectory()) return;
  const near = basename(context);
  const isWord = dirname(context) === process.cwd() && /^[a-z]+$/.test(near);
  throw new ArchBuildError('CONTEXT', `there is no directory ${context}`, {
    hint: isWord
      ? `the word is taken as a build context; for commands see arch-build --help`
      : 'name the build context last',
  });
}

export function epochOfEnvironment(): number | undefined {
  const text = process.env['SOURCE_DATE_EPOCH'];
  if (text === undefined || text === '') return undefined;
  try {
    return parseEpoch(text);
  } catch {
    throw new ArchBuildError(
      'USAGE',
      `$SOURCE_DATE_EPOCH is not a number of seconds: ${JSON.stringify(text)}`,
    );
  }
}

/** Whole or not at all; a device such as /dev/null stays one. */
/** A named pipe without a writer would be waited for, and nothing could interrupt that. `<(…)` of a shell has one. */
function refusePipe(path: string): void {
  if (path.startsWith('/dev/fd/') || statSync(path, { throwIfNoEntry: false })?.isFIFO() !== true) return;
  throw new ArchBuildError('KUBEFILE_NOT_FOUND', `${path} is a named pipe`, {
    hint: 'hand it on with -f - < PIPE',
  });
}

async function writeResult(path: string | undefined, text: string): Promise<void> {
  if (path !== undefined) await writeOutputFile(resolve(path), once(Buffer.from(text)));
}

/** The keys docker buildx uses, and the platforms. */
function metadataOf({ root, manifests, record, emulation }: BuildResult, options: BuildOptions): string {
  const document = {
    'containerimage.digest': root.digest,
    'containerimage.descriptor': root,
    'image.name': options.tags.join(','),
    'arch-build.manifests': manifests,
    'arch-build.record': record,
    'arch-build.emulation': emulation,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
