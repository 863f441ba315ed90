/** What the plan of a cluster has to know of an image: read from its trees and documents. */
import { APPLICATIONS, clusterOf, type ClusterImage } from '../build/cluster-image.ts';
import type { ImageFacts, LaunchCommand, PlatformFacts } from '../cluster/host-plan.ts';
import { ArchBuildError } from '../errors.ts';
import { toBytePath } from '../layer/byte-path.ts';
import type { MergedTree } from '../layer/merged-tree.ts';
import { permissionsOf } from '../layer/tree-node.ts';
import type { ImageDetails, PlatformImage } from '../store/image-details.ts';
import type { Store } from '../store/store.ts';
import { shellWord } from '../sys/shell-word.ts';
import { treeOf, unpackPlatforms } from './platform-tree.ts';
import { REGISTRY } from './registry-files.ts';

/** Where images have the program, in the order they are asked. */
const REGISTRY_PROGRAMS = ['bin/registry', 'bin/docker-registry', 'cri/registry', 'cri/docker-registry'];
const RUNTIME_LABEL = 'cluster.alpha.sealer.io/container-runtime-type';

/** Unpacks what is not unpacked yet. Throws CLUSTER for an image without platforms. */
export async function imageFacts(
  job: { readonly store: Store; readonly signal: AbortSignal },
  { image, platforms }: ImageDetails,
): Promise<ImageFacts> {
  const [first] = platforms;
  const name = image.name ?? image.root.digest;
  if (first === undefined) throw new ArchBuildError('CLUSTER', `${name} has no platform in the store`);
  await unpackPlatforms(job, platforms);
  const found = platforms.map((platform) => factsIn(treeOf(job.store, platform), platform));
  const cluster = clusterOf(first.manifest.annotations);
  return {
    name,
    digest: image.root.digest,
    platforms: found.map(({ facts }) => facts),
    hasRegistry: found.some(({ hasRegistry }) => hasRegistry),
    runtime: first.config.config?.Labels?.[RUNTIME_LABEL],
    environment: cluster?.env ?? {},
    launch: cluster === undefined ? [] : launchCommands(cluster),
  };
}

function factsIn(
  tree: MergedTree,
  { platform, descriptor }: PlatformImage,
): { facts: PlatformFacts; hasRegistry: boolean } {
  const facts = {
    platform,
    digest: descriptor.digest,
    scripts: tree.list(toBytePath('scripts')),
    registryProgram: REGISTRY_PROGRAMS.find((path) => isProgram(tree, path)),
  };
  return { facts, hasRegistry: tree.list(toBytePath(REGISTRY)).length > 0 };
}

function isProgram(tree: MergedTree, path: string): boolean {
  const { node } = tree.resolve(toBytePath(path));
  return node?.type === 'file' && (permissionsOf(node.stat) & 0o111) !== 0;
}

/** CMDs run in the tree, applications in their own directory. */
function launchCommands({ launch, applications }: ClusterImage): LaunchCommand[] {
  const apps = launch.apps.flatMap((name) => {
    const application = applications.find((each) => each.name === name);
    if (application === undefined)
      throw new ArchBuildError('CLUSTER', `the image starts ${name}, but does not have it`);
    const directory = `${APPLICATIONS.slice(1)}/${name}`;
    const commands = application.cmds ?? [usualCommand(application)];
    return commands.map((command) => ({ directory, command, environment: application.env ?? {} }));
  });
  return [...launch.cmds.map((command) => ({ directory: '', command, environment: {} })), ...apps];
}

function usualCommand({ name, type, files }: ClusterImage['applications'][number]): string {
  switch (type) {
    case 'helm':
      return `helm install ${shellWord(name)} .`;
    case 'kube':
      return files.map((file) => `kubectl apply -f ${shellWord(file)}`).join(' && ');
    case 'shell':
      return files.map((file) => `bash ${shellWord(file)}`).join(' && ');
    case '':
      throw new ArchBuildError('CLUSTER', `nothing says how the application ${name} starts`, {
        hint: `write APPCMDS ${name} ["COMMAND"] in the Kubefile`,
      });
  }
}
