/** A whole build: every platform, then all tags together or none. */
import { DIALECTS } from '../kubefile/dialect.ts';
import { selectStages } from '../kubefile/select-stages.ts';
import type { Kubefile } from '../kubefile/instruction.ts';
import type { EmulationRecord } from '../emulation/emulation-record.ts';
import type { EmulationRequest } from '../emulation/emulation-request.ts';
import { openEmulation } from '../emulation/ladder.ts';
import { hostPlatform } from '../emulation/host.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { tryGroup } from '../sys/cgroup/group.ts';
import { hasSingleId } from '../sys/identity.ts';
import { openUmask } from '../sys/umask.ts';
import { writeManifest, writeRoot } from './assemble.ts';
import { auditStep } from './audit-step.ts';
import { BaseImages } from './base-images.ts';
import {
  buildPlatform,
  newWork,
  type BuiltPlatform,
  type PlatformBuild,
  type PlatformState,
} from './build-platform.ts';
import { writeBuildRecord } from './build-record.ts';
import { warnOf } from './check.ts';
import type { StepRecord } from './cache/cache-document.ts';
import type { CacheMode } from './cache/cache-options.ts';
import { ExportedCaches } from './cache/export-cache.ts';
import { ImportedCaches } from './cache/import-cache.ts';
import { buildContextOnce } from './context.ts';
import { builtKubefile, writtenKubefile } from './kubefile-of.ts';
import { ContextDirectories } from './named-contexts.ts';
import { gatherStep } from './gather-step.ts';
import { checkOffline } from './offline.ts';
import { expectedImages } from './outside-needs.ts';
import { NativeTwins } from './native-twins.ts';
import type { BuildOptions, Job } from './options.ts';
import { isCacheOnly, storedNames } from './output/output.ts';
import { squashStep } from './squash-step.ts';

export interface BuildResult {
  /** What the tags name: an index for several platforms, else a manifest. */
  readonly root: Descriptor;
  readonly manifests: readonly Descriptor[];
  /** File name of the record in the store. */
  readonly record: string;
  readonly emulation: EmulationRecord;
}

export async function build(job: Job, options: BuildOptions): Promise<BuildResult> {
  const { store, report } = job;
  const started = new Date();
  const written = writtenKubefile(options);
  warnOf(job, written, options);
  const kubefile = builtKubefile(written, options);
  await tryGroup(options.steps.group); // before anything is fetched
  if (hasSingleId()) report({ type: 'warning', text: SINGLE_ID });
  if (options.dialect === 'auto') report({ type: 'info', text: describeDialect(kubefile) });
  selectStages(kubefile, options); // refuses an unknown target before anything is fetched
  const source = { kubefile, options, hostPlatform: hostPlatform() };
  const work = newWork(job, options.jobs);
  const bases = new BaseImages(work.job, options, { expected: expectedImages(source) });
  if (options.offline) checkOffline(source, bases);
  await using emulation = openEmulation(emulationRequest(work.job, options));
  for (const platform of options.emulate) await emulation.forPlatform(platform); // must work even if nothing needs it
  const twins = new NativeTwins(work.job, bases, {
    accelerate: options.accelerate,
    unpacked: work.unpacked,
  });
  const context = buildContextOnce(options, kubefile.dialect);
  const directories = new ContextDirectories(options.buildContexts);
  await using caches = new ImportedCaches(work.job, options.cacheFrom, options.insecure);
  await using exported = await ExportedCaches.open(job, options.cacheTo, options.insecure);
  const shared = { ...work, ...source, emulation, twins, bases, context, directories, caches, exported };
  const { built, images } = await makeImages(shared);
  const manifests = images.map(({ platform, state }) => writeManifest(store, state, { platform, options }));
  warnUnusedArgs(job, written, options);
  for (const name of directories.unused())
    report({ type: 'warning', text: `--build-context ${name} is not used by ${kubefile.file}` });
  const root = writeRoot(store, manifests, options.indexAnnotations);
  const { outputs, tags, insecure } = options;
  if (outputs.length > 0) {
    const { writeOutputs } = await import('./output/write-outputs.ts');
    await writeOutputs({ job: work.job, root, manifests, tags, insecure }, outputs);
  }
  const made = (mode: CacheMode): StepRecord[] => built.flatMap((platform) => platform.made[mode]);
  await exported.finish({ min: made('min'), max: made('max') });
  if (!isCacheOnly(outputs)) await store.images.put(root, [...tags, ...storedNames(outputs)]);
  const emulated = emulation.describe();
  const record = writeBuildRecord(store, { started, options, manifests, root, emulation: emulated });
  return { root, manifests, record, emulation: emulated };
}

/** Of every platform what its steps made, and the result. */
async function makeImages(
  build: PlatformBuild,
): Promise<{ built: readonly BuiltPlatform[]; images: readonly PlatformState[] }> {
  using _umask = openUmask();
  const { platforms } = build.options;
  const built = await build.fate.all(platforms.map((platform) => buildPlatform(build, platform)));
  const finished = await gatherStep(build, built);
  await auditStep(build, finished);
  return { built, images: await squashStep(build, finished) };
}

const SINGLE_ID =
  'only one user id can be used here, so every file belongs to root, and what changes owners or users fails in steps (apt, chown, su, useradd): give this user ranges in /etc/subuid and /etc/subgid, and install newuidmap (Debian: uidmap)';

function describeDialect({ file, dialect }: Kubefile): string {
  const placement =
    dialect === 'kubefile-v1' ? ': every COPY source keeps its name, in its destination or in its place' : '';
  return `reading ${file} as ${DIALECTS[dialect].syntax}${placement}`;
}

function emulationRequest({ store, report, signal }: Job, options: BuildOptions): EmulationRequest {
  return {
    platforms: options.platforms,
    isolation: options.isolation,
    emulator: options.emulator,
    cpu: options.emulatorCpu,
    accelerate: options.accelerate,
    storeDirectory: store.layout.root,
    environment: process.env,
    makeDirectory: (prefix) => store.makeDirectory(prefix),
    report,
    signal,
  };
}

function warnUnusedArgs(job: Job, kubefile: Kubefile, options: BuildOptions): void {
  const declared = new Set(
    [...kubefile.globalArgs, ...kubefile.stages.flatMap(({ instructions }) => instructions)].flatMap(
      (instruction) => (instruction.keyword === 'ARG' ? instruction.args.map(({ key }) => key) : []),
    ),
  );
  for (const name of Object.keys(options.buildArgs)) {
    if (
      declared.has(name) ||
      /_proxy$/i.test(name) ||
      name.startsWith('BUILDKIT_') ||
      name === 'SOURCE_DATE_EPOCH'
    )
      continue;
    job.report({ type: 'warning', text: `--build-arg ${name} is not used by ${kubefile.file}` });
  }
}
