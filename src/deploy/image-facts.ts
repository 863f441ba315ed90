/** What the plan of a cluster has to know of an image: read from its trees and documents. */
import { APPLICATIONS, clusterOf, type ClusterImage } from '../build/cluster-image.ts';
import type { ImageFacts, LaunchCommand, PlatformFacts } from '../cluster/host-plan.ts';
import { ArchBuildError } from '../errors.ts';
import { toBytePath } from '../layer/byte-path.ts';
import type { MergedTree } from '../layer/merged-tree.ts';
import { permissionsOf } from '../layer/tree-node.ts';
import { unpackLayers } from '../layer/unpack.ts';
import type { ImageDetails, PlatformImage } from '../store/image-details.ts';
import type { Store } from '../store/store.ts';
import { shellWord } from '../sys/shell-word.ts';
import { REGISTRY, treeOf } from './registry-files.ts';

/** Where images have the program, in the order they are asked. */
const REGISTRY_PROGRAMS = ['bin/registry', 'bin/docker-registry', 'cri/registry', 'cri/docker-registry'];
const RUNTIME_LABEL = 'cluster.alpha.sealer.io/container-runtime-type';

/** Unpacks what is not unpacked yet. Throws CLUSTER for an image without platforms. */
export async function imageFacts(
  { store, signal }: { readonly store: Store; readonly signal: AbortSignal },
  { image, platforms }: ImageDetails,
): Promise<ImageFacts> {
  const [first] = platforms;
  const name = image.name ?? image.root.digest;
  if (first === undefined) throw new ArchBuildError('CLUSTER', `${name} has no platform in the store`);
  for (const { manifest, config } of platforms) {
    await unpackLayers(store, { layers: manifest.layers, diffIds: config.rootfs.diff_ids }, { signal });
  }
  const trees = platforms.map((platform) => treeOf(store, platform));
  const cluster = clusterOf(first.manifest.annotations);
  return {
    name,
    digest: image.root.digest,
    platforms: platforms.map((platform, index) =>
      platformFacts(platform, trees[index] ?? treeOf(store, platform)),
    ),
    hasRegistry: trees.some((tree) => tree.list(toBytePath(REGISTRY)).length > 0),
    runtime: first.config.config?.Labels?.[RUNTIME_LABEL],
    environment: cluster?.env ?? {},
    launch: cluster === undefined ? [] : launchCommands(cluster),
  };
}

const platformFacts = ({ platform, descriptor }: PlatformImage, tree: MergedTree): PlatformFacts => ({
  platform,
  digest: descriptor.digest,
  scripts: tree.list(toBytePath('scripts')),
  registryProgram: REGISTRY_PROGRAMS.find((path) => isProgram(tree, path)),
});

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
