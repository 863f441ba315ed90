/** WORKDIR: sets the directory, and makes it when the rootfs lacks it; what it makes is the stage's USER's. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import type { StepName } from '../events.ts';
import { expandWord } from '../kubefile/expand.ts';
import type { WorkdirInstruction } from '../kubefile/instruction.ts';
import { toBytePath } from '../layer/byte-path.ts';
import { LayerWriter } from '../layer/layer-writer.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import { formatPlatform } from '../oci/platform.ts';
import type { Snapshot } from '../store/snapshots.ts';
import { cacheKeyOf } from './cache-key.ts';
import type { CachedStep } from './cached-step.ts';
import { commitLayer } from './commit-layer.ts';
import { resolveWorkdir, type WordContext } from './config-steps.ts';
import { newFileTime } from './copy-step.ts';
import { readAccounts } from './rootfs-files.ts';
import type { RunContext } from './step-context.ts';
import { scopeOf } from './scope.ts';
import { containerConfigOf, withContainerConfig, type StageState } from './stage-state.ts';
import { lookUpOwner } from './user-lookup.ts';

export function applyWorkdir(
  state: StageState,
  { word }: WorkdirInstruction,
  words: WordContext,
): StageState {
  const expanded = expandWord(word, scopeOf(state.variables), { escape: words.escape });
  return withContainerConfig(state, { WorkingDir: resolveWorkdir(state, expanded) });
}

/** `state` already has the new working directory. */
export function planWorkdir(
  context: RunContext,
  state: StageState,
  { instruction, name }: { readonly instruction: WorkdirInstruction; readonly name: StepName },
): CachedStep {
  const { WorkingDir = '/', User = '' } = containerConfigOf(state);
  const key = cacheKeyOf({
    platform: formatPlatform(state.platform),
    parent: state.chain.at(-1),
    instruction: ['WORKDIR', WorkingDir],
    context: [['#user', User]],
  });
  const createdBy = `WORKDIR ${WorkingDir}`;
  return { name, text: instruction.source, createdBy, key, make: () => makeDirectory(context, state) };
}

/** As --chown has it: the group of a lone number is that number, whatever the group of that user is. */
function ownerFor(user: string, lower: MergedTree): { uid: number; gid: number } {
  const [name = '', ...group] = user.split(':');
  return lookUpOwner([name || '0', ...group].join(':'), readAccounts(lower));
}

async function makeDirectory(context: RunContext, state: StageState): Promise<Snapshot | undefined> {
  const { job, options } = context;
  const { WorkingDir = '/', User = '' } = containerConfigOf(state);
  if (WorkingDir === '/') return undefined;
  await context.ensureRootfs(state);
  const lower = new MergedTree(job.store.snapshots.trees(state.chain));
  const { path, node } = lower.resolve(toBytePath(WorkingDir));
  if (node?.type === 'directory') return undefined;
  if (node !== undefined)
    throw new ArchBuildError('KUBEFILE_SEMANTICS', `WORKDIR ${WorkingDir} is not a directory in the image`);
  const directory = join(job.store.makeDirectory('workdir'), 'fs');
  mkdirSync(directory, { mode: 0o755 });
  const mtimeNs = newFileTime(options);
  const writer = new LayerWriter(directory, lower, { now: mtimeNs });
  const { uid, gid } = ownerFor(User, lower);
  writer.ensureParents(path, { uid, gid });
  writer.makeDirectory(path, { mode: 0o755, uid, gid, mtimeNs });
  return commitLayer(job, directory, {
    platform: state.platform,
    chain: state.chain,
    epochSeconds: options.sourceDateEpoch,
  });
}
