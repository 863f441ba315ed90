/** One step on one host: the text its shell runs, and what is sent to it. */
import { chainIdsOf, digestOf } from '../oci/digest.ts';
import type { ClusterPlan, HostDirectories, HostPlan, HostStep } from '../cluster/host-plan.ts';
import { ArchBuildError } from '../errors.ts';
import type { BytePath } from '../layer/byte-path.ts';
import type { TarItem } from '../layer/write-layer.ts';
import type { PlatformImage } from '../store/image-details.ts';
import type { Store } from '../store/store.ts';
import { shellWord } from '../sys/shell-word.ts';
import type { RemoteOutcome } from '../sys/ssh.ts';
import { formatPlatform } from '../oci/platform.ts';
import { hostFiles } from './host-tree.ts';
import { treeOf } from './platform-tree.ts';
import { registryUnion, type RegistryFile } from './registry-files.ts';
import { tarOf } from './tree-tar.ts';

/** Runs a script on the host of the step. */
export type RunRemote = (script: string, input?: AsyncIterable<Uint8Array>) => Promise<RemoteOutcome>;

export interface StepContext {
  readonly store: Store;
  readonly platforms: readonly PlatformImage[];
  readonly plan: ClusterPlan;
  readonly host: HostPlan;
  /** The tree the host had before. */
  readonly tree: HostState['tree'];
  /** What the host says is shown. */
  readonly run: RunRemote;
  /** It is not. */
  readonly ask: RunRemote;
  /** Says more about what happens, for people. */
  readonly tell: (text: string) => void;
}

/** A step that ended otherwise than with status 0. */
class StepFailure extends ArchBuildError {
  constructor({ status, tail }: RemoteOutcome) {
    super('REMOTE', `ended with status ${status}`, { items: tail });
  }
}

/** The line of the state file that says that a step is done. */
export const stepKey = ({ digest }: ClusterPlan, index: number): string => `${digest} ${index}`;

/** What an earlier run has done on the host, and which tree it has. */
export interface HostState {
  readonly done: ReadonlySet<string>;
  readonly tree: string;
}

export async function readState({ directories }: HostPlan, ask: RunRemote): Promise<HostState> {
  const { rootfs, state } = directories;
  const script = `echo ${BEGIN}
cat ${shellWord(`${rootfs}/${MARKER}`)} 2>/dev/null || echo
cat ${shellWord(`${state}/done`)} 2>/dev/null || true`;
  const { stdout } = await succeed(ask(script));
  const [tree = '', ...done] = stdout.slice(stdout.indexOf(`${BEGIN}\n`) + BEGIN.length + 1).split('\n');
  return { tree, done: new Set(done) };
}

/** What a login shell says of its own comes before it. */
const BEGIN = 'arch-build-state';

const MARKER = '.arch-build';

export async function runStep(context: StepContext, step: HostStep, key: string): Promise<void> {
  switch (step.action) {
    case 'send-rootfs':
      return sendTree(context, step.digest, key);
    case 'send-registry':
      return sendRegistry(context, key);
    case 'run':
      await succeed(context.run(recorded(context.host, key, withEnvironment(context.host, step.command))));
  }
}

/** The tree is complete before it takes its place; the host's registry is beside it. */
async function sendTree(context: StepContext, digest: string, key: string): Promise<void> {
  const { store, host, tree, run, tell, platforms } = context;
  const { cluster, rootfs } = host.directories;
  const platform = platforms.find((each) => each.descriptor.digest === digest);
  if (platform === undefined) throw new TypeError(`no platform ${digest}`);
  const marker = treeMarker(platform, host);
  const finish = (script: string): string => recorded(host, key, script);
  if (tree === marker) {
    tell('it has this tree already');
    await succeed(run(finish('true')));
    return;
  }
  const files = hostFiles(treeOf(store, platform), host);
  const incoming = shellWord(`${cluster}/incoming`);
  const receive = [
    foreignTree(rootfs),
    `rm -rf ${incoming} && mkdir -p ${incoming} && exec tar -xpf - -C ${incoming}`,
  ];
  await succeed(run(receive.join('\n'), tarOf(files)));
  tell(`sent ${files.length} files of ${formatPlatform(platform.platform)}`);
  await succeed(run(finish(replaceTree(host.directories, marker))));
}

/** A tree somebody else made is not ours to replace: sealer keeps the data of its registry in it. */
const foreignTree = (
  rootfs: string,
): string => `if [ -e ${shellWord(rootfs)} ] && [ ! -e ${shellWord(`${rootfs}/${MARKER}`)} ]; then
  echo ${shellWord(`${rootfs} is there and not made by arch-build: remove it, or name another --cluster`)} >&2
  exit 1
fi`;

function replaceTree({ cluster, rootfs }: HostDirectories, marker: string): string {
  const steps = [
    `cd ${shellWord(cluster)}`,
    'mkdir -p registry',
    'ln -sfn ../registry incoming/registry',
    `printf '%s\\n' ${shellWord(marker)} >incoming/${MARKER}`,
    'rm -rf outgoing',
    `{ [ ! -e ${shellWord(rootfs)} ] || mv ${shellWord(rootfs)} outgoing; }`,
    `mv incoming ${shellWord(rootfs)}`,
    'rm -rf outgoing',
  ];
  return steps.join(' &&\n');
}

/** A tree is another one when its layers are, or when its templates see other variables. */
const treeMarker = ({ config }: PlatformImage, { environment }: HostPlan): string =>
  `${chainIdsOf(config.rootfs.diff_ids).at(-1) ?? ''} ${digestOf(JSON.stringify(Object.entries(environment).sort()))}`;

/** Blobs the host has are not sent again; links are, because they change. Tags come last. */
async function sendRegistry(
  { store, host, run, ask, tell, platforms }: StepContext,
  key: string,
): Promise<void> {
  const { registry } = host.directories;
  const list = `mkdir -p ${shellWord(registry)} && cd ${shellWord(registry)} && find . -type f -name data -exec wc -c {} +`;
  const there = new Map(
    (await succeed(ask(list))).stdout.split('\n').flatMap((line) => {
      const [, size = '', path = ''] = /^\s*(\d+) \.\/(.+)$/.exec(line) ?? [];
      return path === '' ? [] : [[path, Number(size)] as const];
    }),
  );
  const union = registryUnion(store, platforms);
  const missing = union.filter(({ path, size, link }) => link !== undefined || there.get(path) !== size);
  const bytes = missing.reduce((sum, { size }) => sum + size, 0);
  tell(`sending ${missing.length} of ${union.length} files, ${bytes} bytes`);
  await succeed(run(`exec tar -xpf - -C ${shellWord(registry)}`, tarOf(missing.map(entryOf))));
  await succeed(run(recorded(host, key, 'true')));
}

const entryOf = ({ path, size, host }: RegistryFile): TarItem => ({
  header: { path, type: 'file', mode: 0o644, uid: 0, gid: 0, size, mtime: 0 },
  source: { host, path: path as BytePath },
});

/** What a command of the image finds: the variables of the cluster, and bash where there is one. */
function withEnvironment({ environment }: HostPlan, command: string): string {
  const settings = Object.entries(environment).map(([name, value]) => `export ${name}=${shellWord(value)}\n`);
  return `${settings.join('')}${command}`;
}

/** Its success is written down by the same shell, so that the one is never without the other. */
function recorded({ directories }: HostPlan, key: string, script: string): string {
  const state = shellWord(directories.state);
  return `shell=$(command -v bash) || shell=sh
"$shell" -c ${shellWord(script)} || exit
mkdir -p ${state} && printf '%s\\n' ${shellWord(key)} >>${state}/done`;
}

async function succeed(call: Promise<RemoteOutcome>): Promise<RemoteOutcome> {
  const outcome = await call;
  if (outcome.status !== 0) throw new StepFailure(outcome);
  return outcome;
}
