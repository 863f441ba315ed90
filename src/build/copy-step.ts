/** COPY and ADD: sources selected and digested first, so that the cache key speaks of the very files that are copied. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import type { StepName } from '../events.ts';
import type { CopyFlags, CopyInstruction, Heredoc } from '../kubefile/instruction.ts';
import { expandText, expandWord } from '../kubefile/expand.ts';
import { LayerWriter } from '../layer/layer-writer.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import type { Snapshot } from '../store/snapshots.ts';
import { addArchives } from './add-archives.ts';
import { isGitRepository, isUrl, openDownloads, type Downloads } from './add-url.ts';
import { cacheKeyOf } from './cache-key.ts';
import type { CachedStep } from './cached-step.ts';
import { commitLayer } from './commit-layer.ts';
import type { WordContext } from './config-steps.ts';
import { digestSources } from './content-digest.ts';
import { copyFiles, type CopyRequest } from './copy-files.ts';
import { explainExcluded, selectSources, type SelectedSource } from './copy-sources.ts';
import { FileDigests } from './file-digests.ts';
import type { BuildOptions } from './options.ts';
import { readAccounts } from './rootfs-files.ts';
import type { RunContext } from './step-context.ts';
import { scopeOf, type Variables } from './scope.ts';
import { containerConfigOf, type StageState } from './stage-state.ts';
import { lookUpOwner } from './user-lookup.ts';

export interface CopyContext extends RunContext {
  readonly target: Platform;
  readonly words: WordContext;
}

/** The instruction with every word expanded. */
interface CopyOperands {
  readonly words: readonly string[];
  readonly urls: readonly string[];
  readonly heredocs: readonly { readonly name: string; readonly body: string }[];
  readonly destination: string;
  readonly from: string | undefined;
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly exclude: readonly string[];
}

export async function planCopy(
  context: CopyContext,
  state: StageState,
  { instruction, name }: { readonly instruction: CopyInstruction; readonly name: StepName },
): Promise<CachedStep> {
  const operands = expandOperands(context, state, instruction);
  refuseUnsupported(instruction, operands);
  const from = operands.from === undefined ? undefined : await context.stageOrImage(operands.from);
  const sources = await selectFrom(context, from, { operands, flags: instruction.flags });
  const digest = await digestSources(sources, {
    keepsOwner: from !== undefined,
    signal: context.job.signal,
    ...(from === undefined ? { known: fileDigests(context) } : {}),
  });
  const downloads = await openDownloads(context.job, operands.urls, {
    checksum: instruction.flags.checksum,
    offline: context.options.offline,
  });
  const { WorkingDir = '/' } = containerConfigOf(state);
  const key = cacheKeyOf({
    platform: formatPlatform(state.platform),
    parent: state.chain.at(-1),
    instruction: [instruction.keyword, ...operands.words, ...operands.urls, operands.destination],
    context: [
      ['#workdir', WorkingDir],
      ['#chown', operands.chown ?? ''],
      ['#chmod', operands.chmod ?? ''],
      ['#sources', digest],
      ['#heredocs', JSON.stringify(operands.heredocs)],
      ['#downloads', downloads.fingerprint],
      ['#dialect', context.dialect],
      ['#selection', JSON.stringify([instruction.flags.parents, operands.exclude])],
    ],
  });
  const copy: Copy = { instruction, operands, sources, from, downloads };
  return {
    name,
    text: instruction.source,
    createdBy: historyText(instruction, operands),
    key,
    make: () => makeLayer(context, state, copy),
  };
}

/** Remembered between builds, so that an unchanged context costs no reading. */
function fileDigests({ job, context }: CopyContext): FileDigests {
  return new FileDigests(join(job.store.layout.root, 'contexts'), context().directory);
}

function expandOperands(
  context: CopyContext,
  state: StageState,
  { sources, flags, destination }: CopyInstruction,
): CopyOperands {
  const { escape } = context.words;
  const expand = (word: string): string => expandWord(word, scopeOf(state.variables), { escape });
  const sourceScope = scopeOf(withArch(context, state.variables));
  const words = sources.flatMap((source) =>
    source.kind === 'word' ? [expandWord(source.word, sourceScope, { escape })] : [],
  );
  const optional = (word: string | undefined): string | undefined =>
    word === undefined ? undefined : expand(word);
  return {
    words: words.filter((word) => !isUrl(word)),
    urls: words.filter(isUrl),
    heredocs: sources.flatMap((source) =>
      source.kind === 'heredoc'
        ? [{ name: source.heredoc.name, body: bodyOf(source.heredoc, state.variables, escape) }]
        : [],
    ),
    destination: expand(destination),
    from: optional(flags.from),
    chown: optional(flags.chown),
    chmod: optional(flags.chmod),
    exclude: flags.exclude.map(expand),
  };
}

/** sealer's `${ARCH}`, unless the Kubefile has an ARCH of its own. */
export function withArch({ dialect, target }: CopyContext, variables: Variables): Variables {
  return dialect === 'dockerfile' || variables.has('ARCH')
    ? variables
    : new Map([...variables, ['ARCH', target.architecture]]);
}

const bodyOf = ({ body, expand }: Heredoc, variables: Variables, escape: '\\' | '`'): string =>
  expand ? expandText(body, scopeOf(variables), { escape }) : body;

function refuseUnsupported({ keyword, flags }: CopyInstruction, { words, urls }: CopyOperands): void {
  if (keyword === 'COPY' && urls.length > 0) {
    throw new ArchBuildError('COPY', 'COPY takes no URL', { hint: 'write ADD' });
  }
  const repository = [...words, ...urls].find(isGitRepository);
  if (keyword === 'ADD' && (repository !== undefined || flags.keepGitDir === true)) {
    throw new ArchBuildError(
      'KUBEFILE_SEMANTICS',
      `ADD of git repositories is not supported yet${repository === undefined ? '' : `: ${repository}`}`,
      { hint: 'clone it into the build context before the build' },
    );
  }
}

async function selectFrom(
  context: CopyContext,
  from: StageState | undefined,
  { operands, flags }: { readonly operands: CopyOperands; readonly flags: CopyFlags },
): Promise<SelectedSource[]> {
  const { words, exclude } = operands;
  const options = { parents: flags.parents, exclude, signal: context.job.signal };
  if (words.length === 0) return [];
  if (from === undefined) {
    const buildContext = context.context();
    return selectSources(buildContext.tree, words, {
      ...options,
      explainMissing: explainExcluded(buildContext),
    });
  }
  await context.ensureRootfs(from);
  return selectSources(new MergedTree(context.job.store.snapshots.trees(from.chain)), words, options);
}

interface Copy {
  readonly instruction: CopyInstruction;
  readonly operands: CopyOperands;
  readonly sources: readonly SelectedSource[];
  readonly from: StageState | undefined;
  readonly downloads: Downloads;
}

async function makeLayer(context: CopyContext, state: StageState, copy: Copy): Promise<Snapshot | undefined> {
  const { job, options } = context;
  await context.ensureRootfs(state);
  const lower = new MergedTree(job.store.snapshots.trees(state.chain));
  const directory = join(job.store.makeDirectory('copy'), 'fs');
  mkdirSync(directory, { mode: 0o755 });
  const writer = new LayerWriter(directory, lower, { now: newFileTime(options) });
  const request = await requestOf(context, state, { copy, lower });
  const rest =
    copy.instruction.keyword === 'ADD' ? await addArchives(writer, request, copy.sources) : request;
  if (rest.sources.length > 0 || request.sources.length === 0) await copyFiles(writer, rest);
  return commitLayer(job, directory, { chain: state.chain, epochSeconds: options.sourceDateEpoch });
}

async function requestOf(
  context: CopyContext,
  state: StageState,
  { copy, lower }: { readonly copy: Copy; readonly lower: MergedTree },
): Promise<CopyRequest> {
  const { operands, from, downloads } = copy;
  const owner =
    operands.chown === undefined ? {} : { owner: lookUpOwner(operands.chown, readAccounts(lower)) };
  const mode = operands.chmod === undefined ? {} : { mode: parseMode(operands.chmod) };
  const inline = await heredocSources(context, operands);
  return {
    sources: [...copy.sources, ...inline, ...(await downloads.sources())],
    destination: operands.destination,
    workdir: containerConfigOf(state).WorkingDir ?? '/',
    wordCount: operands.words.length + operands.heredocs.length + operands.urls.length,
    keepsOwner: from !== undefined,
    placement: context.dialect === 'kubefile-v1' ? 'sealer-v1' : 'docker',
    signal: context.job.signal,
    ...owner,
    ...mode,
  };
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

/** Octal permission bits. Throws COPY. */
function parseMode(text: string): number {
  if (/^[0-7]{1,4}$/.test(text)) return parseInt(text, 8);
  throw new ArchBuildError('COPY', `--chmod=${text} is not an octal mode`, {
    hint: 'write it like --chmod=755',
  });
}

function historyText({ keyword, flags, sources }: CopyInstruction, operands: CopyOperands): string {
  const shown = [
    ...(flags.from === undefined ? [] : [`--from=${operands.from ?? ''}`]),
    ...(operands.chown === undefined ? [] : [`--chown=${operands.chown}`]),
    ...(operands.chmod === undefined ? [] : [`--chmod=${operands.chmod}`]),
    ...operands.words,
    ...operands.urls,
    ...sources.flatMap((source) => (source.kind === 'heredoc' ? [`<<${source.heredoc.name}`] : [])),
    operands.destination,
  ];
  return `${keyword} ${shown.join(' ')}`;
}

/** Modification time of directories a step makes: the clock, or the epoch asked for. */
export function newFileTime({ sourceDateEpoch }: Pick<BuildOptions, 'sourceDateEpoch'>): bigint {
  return sourceDateEpoch === undefined
    ? BigInt(Date.now()) * 1_000_000n
    : BigInt(sourceDateEpoch) * 1_000_000_000n;
}
