/** The instructions of kubefile/v2 that say what a cluster does with the image: state → state. */
import { ArchBuildError } from '../errors.ts';
import type {
  AppCommandsInstruction,
  AppEnvInstruction,
  AppInstruction,
  CommandInstruction,
  EnvInstruction,
  KubeVersionInstruction,
  LaunchInstruction,
} from '../kubefile/instruction.ts';
import { expandWord } from '../kubefile/expand.ts';
import { EMPTY_CLUSTER, type Application, type ClusterImage } from './cluster-image.ts';
import type { ConfigStep, WordContext } from './config-steps.ts';
import { scopeOf } from './scope.ts';
import { containerConfigOf, withContainerConfig, type StageState } from './stage-state.ts';

export type ClusterConfigInstruction =
  AppCommandsInstruction | AppEnvInstruction | KubeVersionInstruction | LaunchInstruction;

/** Throws KUBEFILE_SEMANTICS for an application that neither the stage nor its base has. */
export function applyClusterInstruction(
  state: StageState,
  instruction: ClusterConfigInstruction,
  words: WordContext,
): ConfigStep {
  const createdBy = instruction.source;
  const cluster = state.cluster ?? EMPTY_CLUSTER;
  switch (instruction.keyword) {
    case 'APPCMDS':
      return { state: withApplication(state, instruction.name, { cmds: instruction.commands }), createdBy };
    case 'APPENV': {
      const expand = (word: string): string =>
        expandWord(word, scopeOf(state.variables), { escape: words.escape });
      const added = instruction.pairs.map(({ key, value }) => [expand(key), expand(value)] as const);
      const { env } = applicationOf(cluster, instruction.name);
      const change = { env: { ...env, ...Object.fromEntries(added) } };
      return { state: withApplication(state, instruction.name, change), createdBy };
    }
    case 'KUBEVERSION':
      return { state: withLabel(state, SUPPORTED_VERSIONS, instruction.word), createdBy };
    case 'LAUNCH': {
      for (const name of instruction.words) applicationOf(cluster, name);
      return { state: withLaunch(state, { ...cluster.launch, apps: instruction.words }), createdBy };
    }
    case 'CMDS': {
      const cmds = [...cluster.launch.cmds, ...instruction.words];
      return { state: withLaunch(state, { ...cluster.launch, cmds }), createdBy };
    }
  }
}

const SUPPORTED_VERSIONS = 'app.alpha.sealer.io/supported-kube-version';
const NETWORK_AND_STORAGE = { CNI: 'kube-cni', CSI: 'kube-csi' } as const;

/** APP, CNI and CSI, once their files are known. A second one of the same name replaces the first. */
export function withNewApplication(
  state: StageState,
  { keyword, name }: AppInstruction,
  started: Pick<Application, 'type' | 'files'>,
): StageState {
  const cluster = state.cluster ?? EMPTY_CLUSTER;
  const others = cluster.applications.filter((other) => other.name !== name);
  const next = { ...state, cluster: { ...cluster, applications: [...others, { name, ...started }] } };
  if (keyword === 'APP') return next;
  return withLabel(next, `cluster.alpha.sealer.io/${NETWORK_AND_STORAGE[keyword]}-${name}`, 'true');
}

/** ENV and CMD mean something for the cluster too: each CMD is one command, a JSON form several. */
export function withClusterSide(
  state: StageState,
  before: StageState,
  instruction: CommandInstruction | EnvInstruction,
): StageState {
  const cluster = state.cluster ?? EMPTY_CLUSTER;
  if (instruction.keyword === 'ENV') {
    const changed = [...state.variables].filter(([key, value]) => before.variables.get(key) !== value);
    return { ...state, cluster: { ...cluster, env: { ...cluster.env, ...Object.fromEntries(changed) } } };
  }
  if (instruction.keyword !== 'CMD') return state;
  const { command } = instruction;
  const cmds = command.form === 'exec' ? command.words : [command.text];
  return withLaunch(state, { ...cluster.launch, cmds: [...cluster.launch.cmds, ...cmds] });
}

/** Throws KUBEFILE_SEMANTICS for an application that nobody would know how to start. */
export function requireStartable({ cluster }: StageState): void {
  const lost = cluster?.applications.find(({ type, cmds = [] }) => type === '' && cmds.length === 0);
  if (lost === undefined) return;
  throw new ArchBuildError(
    'KUBEFILE_SEMANTICS',
    `application ${lost.name} is neither a chart nor all .yaml nor all .sh: nothing says how it starts`,
    { hint: `write APPCMDS ${lost.name} ["COMMAND"]` },
  );
}

function applicationOf({ applications }: ClusterImage, name: string): Application {
  const found = applications.find((application) => application.name === name);
  if (found !== undefined) return found;
  const known = applications.map((application) => application.name).join(', ');
  throw new ArchBuildError('KUBEFILE_SEMANTICS', `there is no application "${name}" here`, {
    hint: known === '' ? `write APP ${name} local://PATH before` : `there is ${known}`,
  });
}

function withApplication(state: StageState, name: string, change: Partial<Application>): StageState {
  const cluster = state.cluster ?? EMPTY_CLUSTER;
  const changed = { ...applicationOf(cluster, name), ...change };
  const applications = cluster.applications.map((old) => (old.name === name ? changed : old));
  return { ...state, cluster: { ...cluster, applications } };
}

const withLaunch = (state: StageState, launch: ClusterImage['launch']): StageState => ({
  ...state,
  cluster: { ...(state.cluster ?? EMPTY_CLUSTER), launch },
});

const withLabel = (state: StageState, key: string, value: string): StageState =>
  withContainerConfig(state, { Labels: { ...containerConfigOf(state).Labels, [key]: value } });
