/** `arch-build build`: flags to options, and the digest to stdout. */
import { accessSync, constants } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { readContextWord } from '../../build/context-word.ts';
import { build as buildImage, type BuildResult } from '../../build/build.ts';
import { check } from '../../build/check.ts';
import type { BuildOptions, BuildSource } from '../../build/options.ts';
import { ArchBuildError } from '../../errors.ts';
import { DIALECTS } from '../../kubefile/dialect.ts';
import { formatPlatform } from '../../oci/platform.ts';
import { fullName } from '../../oci/reference.ts';
import { addToList, findList } from '../../transfer/manifest-list.ts';
import { once } from '../../transfer/once.ts';
import { writeOutputFile } from '../../transfer/output-file.ts';
import { accelerationOf } from '../acceleration.ts';
import { printJson } from '../answer.ts';
import { targetPlatforms } from '../architectures.ts';
import { bringContexts } from '../bring-contexts.ts';
import { contextsOf, isFetched, type SaidContexts } from '../build-contexts.ts';
import { openPlace } from '../build-place.ts';
import { openBuildReport } from '../build-report.ts';
import { cachesOf } from '../caches.ts';
import { gatherOptions } from '../gather-options.ts';
import { epochOfEnvironment } from '../epoch.ts';
import { findingsData, findingsText } from '../findings.ts';
import type { BuildFlags } from '../flags.ts';
import { refuseContradiction, reporterFor, storeFor, type Globals } from '../globals.ts';
import { buildArgsOf } from '../build-args.ts';
import { outputsOf, type Outputs } from '../outputs.ts';
import { pairsOf, variablesOf } from '../pairs.ts';
import { secretsOf, sshAgentsOf } from '../secrets.ts';
import { formatPlan } from '../plan-text.ts';
import { requireRoot } from '../require-root.ts';
import { VERSION } from '../version.ts';
import { shellOnError } from '../shell-on-error.ts';
import { stepSettingsOf } from '../step-settings.ts';

/** Returns the exit status: 1 for a check with findings. */
export async function build(globals: Globals, contextArgument: string, flags: BuildFlags): Promise<number> {
  refuseContradiction(globals, flags);
  if (flags.stdin === true && [contextArgument, ...flags.file].includes('-'))
    throw new ArchBuildError('USAGE', 'the standard input cannot be for RUN (--stdin) and for the build');
  // A check reads; only files that have to be unpacked for it need their owner.
  if (flags.check !== true || isUnpacked(contextArgument, flags)) requireRoot(globals);
  const { takesStdout, buildContexts, ...request } = optionsOf(globals, flags);
  const isBuilt = flags.check !== true && flags.plan !== true;
  using log = isBuilt ? openBuildReport(globals, flags, request.platforms.map(formatPlatform)) : undefined;
  const told = log === undefined ? globals : { ...globals, report: log.report };
  await using place = await openPlace(told, contextArgument, flags);
  await using named = await bringContexts(told, buildContexts, flags);
  const options = { ...request, ...place.source, buildContexts: named.contexts };
  if (flags.check === true) return await checkFile(globals, options, flags);
  if (flags.plan === true) return await printPlan(globals, options, flags);
  const report = reporterFor(told);
  await using store = await storeFor(globals);
  const list = flags.manifest === undefined ? undefined : fullName(flags.manifest);
  if (list !== undefined) findList(store, list); // an image of that name is refused before anything is built
  const onFailedStep = flags.shellOnError === true ? shellOnError(report) : undefined;
  const result = await buildImage(
    { store, report, signal: globals.signal },
    { ...options, ...(onFailedStep && { onFailedStep }) },
  );
  if (list !== undefined) await addToList(store, list, result.manifests);
  await writeResult(flags.iidfile, result.root.digest);
  await writeResult(flags.metadataFile, metadataOf(result, options));
  if (!takesStdout) process.stdout.write(`${result.root.digest}\n`);
  return 0;
}

const isUnpacked = (contextArgument: string, { buildContext }: BuildFlags): boolean =>
  readContextWord(contextArgument).kind !== 'directory' ||
  [...contextsOf(buildContext).values()].some(isFetched);

async function printPlan(globals: Globals, options: BuildOptions, { json }: BuildFlags): Promise<number> {
  await using store = await storeFor(globals);
  const job = { store, report: reporterFor(globals, 'quiet'), signal: globals.signal };
  const { planBuild } = await import('../../build/plan.ts'); // it reads YAML, which a build may do without
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

function optionsOf(
  { offline }: Globals,
  flags: BuildFlags,
): Omit<BuildOptions, keyof BuildSource | 'buildContexts'> &
  Pick<Outputs, 'takesStdout'> & { readonly buildContexts: SaidContexts } {
  const targets = targetPlatforms(flags);
  const tags = flags.tag.map(fullName);
  const sourceDateEpoch = flags.sourceDateEpoch ?? epochOfEnvironment();
  const surroundings = { tags, platformCount: targets.platforms.length, offline, sourceDateEpoch };
  const { annotations, ...outputs } = outputsOf(flags.output, surroundings);
  return {
    ...outputs,
    offline,
    tags,
    ...targets,
    dialect: flags.dialect,
    buildArgs: buildArgsOf(flags),
    buildContexts: contextsOf(flags.buildContext),
    from: flags.from,
    environment: variablesOf('--env', flags.env),
    unset: { environment: flags.unsetenv, labels: flags.unsetlabel },
    labels: { ...(flags.identityLabel === true ? IDENTITY : {}), ...pairsOf('--label', flags.label) },
    squash: flags.squashAll === true,
    omitHistory: flags.omitHistory === true,
    annotations: { ...annotations, ...pairsOf('--annotation', flags.annotation) },
    target: flags.target,
    allStages: flags.skipUnusedStages === 'false',
    network: flags.network === 'none' || (flags.network === 'default' && offline) ? 'none' : 'host',
    steps: stepSettingsOf(flags),
    secrets: secretsOf(flags.secret, process.env),
    sshAgents: sshAgentsOf(flags.ssh, process.env),
    noCache: !flags.cache,
    cacheTtl: flags.cacheTtl,
    jobs: jobsOf(flags),
    ...cachesOf(flags, { offline }),
    pull: flags.pull,
    isolation: flags.isolation,
    emulator: flags.emulator,
    emulatorCpu: flags.emulatorCpu,
    accelerate: accelerationOf(flags),
    emulatorRetry: flags.emulatorRetry === true,
    sourceDateEpoch,
    insecure: flags.insecure,
    ...gatherOf(flags),
    ...(flags.audit === 'off' ? {} : { audit: { policy: flags.audit, allow: flags.auditAllow } }),
  };
}

const IDENTITY = { 'io.arch-build.version': VERSION };

function gatherOf(flags: BuildFlags): Pick<BuildOptions, 'gather'> {
  return flags.gather === 'none' ? {} : { gather: gatherOptions(flags) };
}

/** A shell on the terminal is alone there; where an emulator is replaced, no other step may be using it. */
function jobsOf({ jobs, shellOnError, emulatorRetry }: BuildFlags): number {
  if (shellOnError === true) return 1;
  return jobs ?? (emulatorRetry === true ? 1 : availableParallelism());
}

/** Whole or not at all; a device such as /dev/null stays one. */
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
