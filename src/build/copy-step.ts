/** COPY and ADD: sources selected and digested first, so that the cache key speaks of the very files that are copied. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import type { StepName } from '../events.ts';
import type { CopyFlags, CopyInstruction } from '../kubefile/instruction.ts';
import { LayerWriter } from '../layer/layer-writer.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import type { ChainId } from '../oci/digest.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import type { Snapshot } from '../store/snapshots.ts';
import { addArchives } from './add-archives.ts';
import { openRemotes } from './add-remote.ts';
import type { Downloads } from './add-url.ts';
import { cacheKeyOf } from './cache-key.ts';
import type { CachedStep } from './cached-step.ts';
import { jointKey } from './joint-copy.ts';
import { commitLayer } from './commit-layer.ts';
import type { BuildContext } from './context.ts';
import { digestSources } from './content-digest.ts';
import { copyFiles, type CopyRequest } from './copy-files.ts';
import { expandOperands, historyText, type CopyContext, type CopyOperands } from './copy-operands.ts';
import { explainExcluded, selectSources, type SelectedSource } from './copy-sources.ts';
import { FileDigests } from './file-digests.ts';
import type { BuildOptions } from './options.ts';
import { readAccounts } from './rootfs-files.ts';
import type { Origin } from './step-context.ts';
import { containerConfigOf, type StageState } from './stage-state.ts';
import { lookUpOwner } from './user-lookup.ts';

export async function planCopy(
  context: CopyContext,
  state: StageState,
  { instruction, name }: { readonly instruction: CopyInstruction; readonly name: StepName },
): Promise<CachedStep> {
  const operands = expandOperands(context, state, instruction);
  const from = await context.origin(operands.from);
  const sources = await selectFrom(context, from, { operands, flags: instruction.flags });
  const digest = await digestSources(sources, {
    keepsOwner: from.kind === 'layers',
    signal: context.job.signal,
    ...(from.kind === 'context' ? { known: fileDigests(context, from.context) } : {}),
  });
  const downloads = await openRemotes(context.job, operands.urls, {
    checksum: instruction.flags.checksum,
    keepGitDir: instruction.flags.keepGitDir ?? false,
    exclude: operands.exclude,
    offline: context.options.offline,
    sshAgents: context.options.sshAgents,
    insecure: context.options.insecure,
  });
  const { WorkingDir = '/' } = containerConfigOf(state);
  const key = cacheKeyOf({
    ...(instruction.flags.link
      ? FOR_ALL
      : { platform: formatPlatform(state.platform), parent: state.chain.at(-1) }),
    instruction: [instruction.keyword, ...operands.words, ...operands.urls, operands.destination],
    context: [
      ['#workdir', WorkingDir],
      ['#chown', operands.chown ?? ''],
      ['#chmod', operands.chmod ?? ''],
      ['#sources', digest],
      ['#heredocs', JSON.stringify(operands.heredocs)],
      ['#downloads', downloads.fingerprint],
      ['#dialect', context.dialect === 'kubefile-v1' ? SEALERS_PLACEMENT : context.dialect],
      ['#selection', JSON.stringify([instruction.flags.parents, operands.exclude, instruction.flags.unpack])],
    ],
  });
  const copy: Copy = { instruction, operands, sources, from, downloads, digest };
  return {
    name,
    text: instruction.source,
    createdBy: historyText(instruction, operands),
    key,
    make: () => makeLayer(context, state, copy),
  };
}

/** `--link`: the same layer on every platform and above every other. */
const FOR_ALL = { platform: 'any', parent: undefined };

/** Remembered between builds, so that an unchanged context costs no reading. */
function fileDigests({ job }: CopyContext, { directory }: BuildContext): FileDigests {
  return new FileDigests(join(job.store.layout.root, 'contexts'), directory);
}

async function selectFrom(
  context: CopyContext,
  from: Origin,
  { operands, flags }: { readonly operands: CopyOperands; readonly flags: CopyFlags },
): Promise<SelectedSource[]> {
  const { words, exclude } = operands;
  const options = { parents: flags.parents, exclude, signal: context.job.signal };
  if (words.length === 0) return [];
  if (from.kind === 'context')
    return selectSources(from.context.tree, words, {
      ...options,
      explainMissing: explainExcluded(from.context),
    });
  await context.ensureRootfs(from.state);
  const trees = context.job.store.snapshots.trees(from.state.chain);
  return selectSources(new MergedTree(trees), words, options);
}

interface Copy {
  readonly instruction: CopyInstruction;
  readonly operands: CopyOperands;
  readonly sources: readonly SelectedSource[];
  readonly from: Origin;
  readonly downloads: Downloads;
  /** Of the sources. */
  readonly digest: string;
}

async function makeLayer(context: CopyContext, state: StageState, copy: Copy): Promise<Snapshot | undefined> {
  const { job } = context;
  const { link } = copy.instruction.flags;
  if (!link) await context.ensureRootfs(state);
  const chain = link ? [] : state.chain;
  const lower = new MergedTree(job.store.snapshots.trees(chain));
  const request = await requestOf(context, state, { copy, lower });
  const make = (): Promise<Snapshot | undefined> =>
    writeLayer(context, { copy, request, lower, chain, platform: state.platform });
  const joint = isPlain(copy) ? jointKey({ words: wordsOf(copy), request, lower }) : undefined;
  if (joint === undefined) return make();
  const elsewhere = context.copies.get(joint);
  return elsewhere === undefined ? context.copies.make(joint, make) : context.waitFor(elsewhere);
}

/** Nothing but files that are there already. */
const isPlain = ({ instruction: { keyword, flags }, operands: { heredocs, urls } }: Copy): boolean =>
  keyword === 'COPY' && !flags.parents && heredocs.length === 0 && urls.length === 0;

const wordsOf = ({ digest, operands }: Copy): string[] => [digest, operands.chmod ?? ''];

async function writeLayer(
  { job, options }: CopyContext,
  { copy, request, lower, chain, platform }: LayerParts,
): Promise<Snapshot | undefined> {
  const directory = join(job.store.makeDirectory('copy'), 'fs');
  mkdirSync(directory, { mode: 0o755 });
  const writer = new LayerWriter(directory, lower, { now: newFileTime(options) });
  const rest = await addArchives(writer, request, archivesAmong(copy, request));
  if (rest.sources.length > 0 || request.sources.length === 0) await copyFiles(writer, rest);
  return commitLayer(job, directory, {
    platform,
    chain,
    epochSeconds: options.sourceDateEpoch,
  });
}

interface LayerParts {
  readonly platform: Platform;
  readonly copy: Copy;
  readonly request: CopyRequest;
  readonly lower: MergedTree;
  readonly chain: readonly ChainId[];
}

/** What ADD looks into: local files, with `--unpack` downloaded ones, too. */
function archivesAmong(
  { instruction: { keyword, flags }, sources }: Copy,
  request: CopyRequest,
): readonly SelectedSource[] {
  if (keyword === 'COPY' || flags.unpack === false) return [];
  return flags.unpack === true ? request.sources : sources;
}

/** Says in keys which rules of placing were at work. */
const SEALERS_PLACEMENT = 'kubefile-v1: own name or the destination’s';

async function requestOf(
  context: CopyContext,
  state: StageState,
  { copy, lower }: { readonly copy: Copy; readonly lower: MergedTree },
): Promise<CopyRequest> {
  const { operands, from, downloads } = copy;
  const owner = operands.chown === undefined ? {} : { owner: ownerOf(operands.chown, copy, lower) };
  const chmod = operands.changeMode === undefined ? {} : { chmod: operands.changeMode };
  const inline = await heredocSources(context, operands);
  return {
    sources: [...copy.sources, ...inline, ...(await downloads.sources())],
    destination: operands.destination,
    workdir: containerConfigOf(state).WorkingDir ?? '/',
    wordCount: operands.words.length + operands.heredocs.length + operands.urls.length,
    keepsOwner: from.kind === 'layers',
    placement: context.dialect === 'kubefile-v1' ? 'sealer-v1' : 'docker',
    signal: context.job.signal,
    ...owner,
    ...chmod,
  };
}

function ownerOf(chown: string, { instruction }: Copy, lower: MergedTree): { uid: number; gid: number } {
  if (instruction.flags.link && !/^\d+(?::\d+)?$/.test(chown)) {
    throw new ArchBuildError(
      'COPY',
      `--chown=${chown} cannot be looked up: --link does not look at the image`,
      {
        hint: 'write numbers, or leave out --link',
      },
    );
  }
  return lookUpOwner(chown, readAccounts(lower));
}

/** Inline files, as if they stood in a context of their own. */
async function heredocSources({ job }: CopyContext, { heredocs }: CopyOperands): Promise<SelectedSource[]> {
  if (heredocs.length === 0) return [];
  const directory = job.store.makeDirectory('heredoc');
  for (const { name, body } of heredocs) {
    if (name.includes('/') || name === '..' || name === '.') {
      throw new ArchBuildError('COPY', `${JSON.stringify(name)} cannot be a file name`, {
        hint: 'choose another delimiter',
      });
    }
    writeFileSync(join(directory, name), body, { mode: 0o644 });
  }
  return selectSources(
    new MergedTree([directory], { plain: true }),
    heredocs.map(({ name }) => name),
  );
}

/** Modification time of directories a step makes: the clock, or the epoch asked for. */
export function newFileTime({ sourceDateEpoch }: Pick<BuildOptions, 'sourceDateEpoch'>): bigint {
  return sourceDateEpoch === undefined
    ? BigInt(Date.now()) * 1_000_000n
    : BigInt(sourceDateEpoch) * 1_000_000_000n;
}
