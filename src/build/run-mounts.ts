/** `RUN --mount`: from what the Kubefile says to the mounts of a sandbox, what they hold while it runs, and its key. */
import { chmodSync, chownSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join, posix } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { expandWord } from '../kubefile/expand.ts';
import type { RunInstruction } from '../kubefile/instruction.ts';
import {
  readRunMount,
  type BindMount,
  type CacheMount,
  type RunMount,
  type SecretMount,
  type SshMount,
} from '../kubefile/run-mount.ts';
import type { StepMount } from '../sys/step-mounts.ts';
import {
  bindShape,
  cacheShape,
  partOf,
  describeShape,
  secretShape,
  sshShape,
  type CachePart,
  type MountPlace,
} from './mount-shapes.ts';
import { mountSource, prepareLayers, type MountSource } from './mount-sources.ts';
import type { RunContext } from './step-context.ts';
import { formatBytePath, toBytePath } from '../layer/byte-path.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import { scopeOf } from './scope.ts';
import { openSshRelay } from './ssh-relay.ts';
import { containerConfigOf, type StageState } from './stage-state.ts';

export interface PlannedMounts {
  /** For the step's cache key. What is in a cache, a secret or an agent is no part of it. */
  readonly key: readonly (readonly [string, string])[];
  /** Where they are, in the image. */
  readonly targets: readonly string[];
  /** What `open` would give, by the names of what is not there yet. Makes nothing. */
  describe(scratch: string): {
    readonly mounts: readonly StepMount[];
    readonly variables: ReadonlySet<string>;
  };
  /** Makes what the mounts show, below a directory of the step's. The caller disposes it after the step. */
  open(scratch: string): Promise<OpenMounts>;
}

export interface OpenMounts extends AsyncDisposable {
  readonly mounts: readonly StepMount[];
  /** Variables of secrets and of the ssh agent. */
  readonly variables: ReadonlyMap<string, string>;
}

interface Planned {
  readonly mount: RunMount;
  readonly source: MountSource | undefined;
}

/** Throws KUBEFILE_SEMANTICS for a mount that makes no sense, COPY for a source that is not there. */
export async function planMounts(
  context: RunContext,
  state: StageState,
  { mounts }: RunInstruction,
): Promise<PlannedMounts> {
  const scope = scopeOf(state.variables);
  const expand = (word: string): string => expandWord(word, scope, { escape: context.escape });
  const { WorkingDir = '/' } = containerConfigOf(state);
  const planned: Planned[] = [];
  for (const text of mounts)
    planned.push(await planMount(context, absolute(readRunMount(text, expand), WorkingDir)));
  return {
    key: planned.map(({ mount, source }) => ['#mount', JSON.stringify([mount, source?.fingerprint ?? ''])]),
    targets: planned.flatMap(({ mount }) => mount.target ?? []),
    describe: (scratch) => describeMounts(context, planned, scratch),
    open: (scratch) => openMounts(context, planned, scratch),
  };
}

/** Targets count from the working directory. */
function absolute(mount: RunMount, workdir: string): RunMount {
  if (mount.target === undefined) return mount;
  const target = posix.resolve('/', workdir, mount.target);
  if (target !== '/' && !/^\/(proc|sys)(\/|$)/.test(target)) return { ...mount, target };
  throw new ArchBuildError('KUBEFILE_SEMANTICS', `nothing can be mounted at ${target}`, {
    hint: 'name another target',
  });
}

async function planMount(context: RunContext, mount: RunMount): Promise<Planned> {
  const hasSource = mount.type === 'bind' || (mount.type === 'cache' && mount.from !== undefined);
  return { mount, source: hasSource ? await mountSource(context, mount) : undefined };
}

interface Opening extends MountPlace {
  readonly context: RunContext;
  /** What the mounts hold until the step has ended. */
  readonly held: (Disposable | AsyncDisposable)[];
  readonly variables: Map<string, string>;
}

const placeOf = (scratch: string, index: number, { source }: Planned): MountPlace => {
  const name = `mount-${index}`;
  return { name, place: join(scratch, name), source };
};

function describeMounts(
  { options }: RunContext,
  planned: readonly Planned[],
  scratch: string,
): ReturnType<PlannedMounts['describe']> {
  const { secrets, sshAgents } = options;
  const variables = new Set<string>();
  const mounts = planned.flatMap((each, index) => {
    const { mount } = each;
    const isGiven =
      (mount.type === 'secret' && secrets.has(mount.id)) || (mount.type === 'ssh' && sshAgents.has(mount.id));
    if (isGiven && mount.type === 'ssh') variables.add('SSH_AUTH_SOCK');
    if (isGiven && mount.type === 'secret' && mount.env !== undefined) variables.add(mount.env);
    return describeShape(mount, placeOf(scratch, index, each), isGiven);
  });
  return { mounts, variables };
}

async function openMounts(
  context: RunContext,
  planned: readonly Planned[],
  scratch: string,
): Promise<OpenMounts> {
  const held: (Disposable | AsyncDisposable)[] = [];
  const variables = new Map<string, string>();
  const mounts: StepMount[] = [];
  try {
    for (const [index, each] of planned.entries()) {
      const opening = { context, held, variables, ...placeOf(scratch, index, each) };
      mounts.push(...(await openMount(each.mount, opening)));
    }
  } catch (error) {
    await release(held);
    throw error;
  }
  return { mounts, variables, [Symbol.asyncDispose]: () => release(held) };
}

async function release(held: readonly (Disposable | AsyncDisposable)[]): Promise<void> {
  for (const each of held.toReversed()) {
    if (Symbol.asyncDispose in each) await each[Symbol.asyncDispose]();
    else each[Symbol.dispose]();
  }
}

async function openMount(mount: RunMount, opening: Opening): Promise<StepMount[]> {
  switch (mount.type) {
    case 'bind':
      return [await openBind(mount, opening)];
    case 'cache':
      return [await openCache(mount, opening)];
    case 'tmpfs':
      return [{ ...mount, kind: 'directory' }];
    case 'secret':
      return openSecret(mount, opening);
    case 'ssh':
      return openSsh(mount, opening);
  }
}

async function openBind(mount: BindMount, where: Opening): Promise<StepMount> {
  const { source, place } = where;
  if (source?.layers !== undefined) {
    prepareLayers(place, source.layers.trees);
  } else {
    mkdirSync(place, { mode: 0o755 });
    await source?.copyInto(place);
  }
  return bindShape(mount, where);
}

async function openCache(mount: CacheMount, where: Opening): Promise<StepMount> {
  const { context, held, source, place } = where;
  const { sharing, mode, uid, gid } = mount;
  const id = cacheId(mount, source);
  const cache = await context.job.store.mountCaches.open(id, sharing, async (directory) => {
    if (source !== undefined) await fillFrom(source, { place, directory });
    chownSync(directory, uid, gid);
    chmodSync(directory, mode);
  });
  held.push(cache);
  const path = partOf(mount);
  const part = path === undefined ? undefined : findPart(mount, cache.directory, path);
  if (part !== undefined) mkdirSync(place);
  return cacheShape(mount, cache.directory, { ...where, part });
}

/** A cache that begins with something is another one for each beginning. */
const cacheId = ({ id, source: path }: CacheMount, source: MountSource | undefined): string =>
  source === undefined ? id : JSON.stringify([id, path, source.fingerprint]);

/** A cache has no sources besides what steps have put there: what is missing is not made. */
function findPart({ id }: CacheMount, directory: string, source: string): CachePart {
  const { path, node } = new MergedTree([directory]).resolve(toBytePath(source));
  if (node?.type === 'directory' || node?.type === 'file')
    return { kind: node.type, path: formatBytePath(path).slice(1) };
  throw new ArchBuildError('COPY', `the cache ${JSON.stringify(id)} has no ${JSON.stringify(source)}`, {
    hint: 'source= is what is shown of a cache: a step has to put it there first',
  });
}

async function fillFrom(
  source: MountSource,
  { place, directory }: { readonly place: string; readonly directory: string },
): Promise<void> {
  if (source.kind === 'file') throw new ArchBuildError('COPY', 'a cache cannot start with a file');
  mkdirSync(place);
  await source.copyInto(place);
  renameSync(join(place, 'source'), directory);
}

/** As docker has it. */
const SECRET_LIMIT = 500 * 1024;

function openSecret(mount: SecretMount, { context, variables }: Opening): StepMount[] {
  const content = readSecret(context, mount);
  if (content === undefined) return [];
  if (mount.env !== undefined) variables.set(mount.env, content.toString('utf8'));
  return secretShape(mount, content);
}

/** Undefined for one that was not given and is not required. */
function readSecret({ options }: RunContext, { id, required }: SecretMount): Buffer | undefined {
  const given = options.secrets.get(id);
  if (given === undefined) {
    if (!required) return undefined;
    throw new ArchBuildError('KUBEFILE_SEMANTICS', `the secret ${id} was not given`, {
      hint: `give it with --secret id=${id},src=FILE`,
    });
  }
  if ('value' in given) return Buffer.from(given.value);
  try {
    const content = readFileSync(given.path);
    if (content.length <= SECRET_LIMIT) return content;
  } catch (cause) {
    throw new ArchBuildError(
      'IO',
      `cannot read the secret ${id} from ${given.path}: ${systemErrorCode(cause) ?? ''}`,
      { cause },
    );
  }
  throw new ArchBuildError('IO', `the secret ${id} is larger than ${SECRET_LIMIT} bytes`);
}

async function openSsh(mount: SshMount, where: Opening): Promise<StepMount[]> {
  const { context, held, variables, place } = where;
  const { id, required, mode, uid, gid } = mount;
  const agent = context.options.sshAgents.get(id);
  if (agent === undefined) {
    if (!required) return [];
    throw new ArchBuildError('KUBEFILE_SEMANTICS', `no ssh agent was given for ${id}`, {
      hint: `give it with --ssh ${id}`,
    });
  }
  const shape = sshShape(mount, where);
  held.push(await openSshRelay(agent, place, { mode, uid, gid }));
  if (!variables.has('SSH_AUTH_SOCK')) variables.set('SSH_AUTH_SOCK', shape.target);
  return [shape];
}
