/** What a check of a Kubefile wants to know of the world: base images of the store, and files of the build context. */
import { readSync } from 'node:fs';
import { ArchBuildError } from '../errors.ts';
import { architectureOfElf, inspectElf } from '../emulation/elf.ts';
import type { ImageFacts, SourceFacts } from '../kubefile/lint/rule.ts';
import { formatBytePath, joinBytePath, toBytePath } from '../layer/byte-path.ts';
import { withSourceFile } from '../layer/source-file.ts';
import type { TreeNode } from '../layer/tree-node.ts';
import { environmentOf, parseImageConfig } from '../oci/image-config.ts';
import { parseDocument, parseManifest } from '../oci/manifest.ts';
import { chooseByPlatform } from '../oci/platform-choice.ts';
import { formatPlatform, platformOfConfig, type Platform } from '../oci/platform.ts';
import { formatReference, parseReference, withDefaultTag } from '../oci/reference.ts';
import type { Store } from '../store/store.ts';
import { platformsInStore } from './base-image.ts';
import type { BuildContext } from './context.ts';
import { selectSources, type SelectedSource } from './copy-sources.ts';

/** Undefined when the store does not have it, or not whole. */
export function imageFacts(store: Store, text: string, platform: Platform): ImageFacts | undefined {
  try {
    const image = store.images.find(formatReference(withDefaultTag(parseReference(text))));
    if (image === undefined) return undefined;
    const document = parseDocument(store.blobs.readDocument(image.root.digest), image.root.mediaType);
    const manifests = document.kind === 'manifest' ? [image.root] : document.index.manifests;
    const configs = manifests
      .filter(({ digest }) => store.blobs.has(digest))
      .map(({ digest }) => parseManifest(store.blobs.readDocument(digest)).config.digest)
      .map((digest) => parseImageConfig(store.blobs.readDocument(digest)));
    const fitting =
      chooseByPlatform(platform, configs, { platformOf: platformOfConfig, reach: 'architecture' }) ??
      configs[0];
    if (fitting === undefined) return undefined;
    const platforms = platformsInStore(store, image.root).map(formatPlatform);
    return { environment: environmentOf(fitting), platforms };
  } catch (error) {
    if (error instanceof ArchBuildError) return undefined;
    throw error;
  }
}

const CREDENTIALS = /(?:^|\/)imageListWithAuth\.yaml$/;

/** What a source word selects. A word that no build could select from is missing: the build says why. */
export async function sourceFacts(
  context: BuildContext,
  word: string,
  signal: AbortSignal,
): Promise<SourceFacts> {
  try {
    const sources = await selectSources(context.tree, [word], { signal });
    const [only] = sources;
    const kind = sources.length === 1 && only !== undefined && !/[*?[]/.test(word) ? kindOf(only) : 'several';
    return { kind, ...contentFacts(sources) };
  } catch (error) {
    if (!(error instanceof ArchBuildError)) throw error;
    return { kind: isExcluded(context, word) ? 'excluded' : 'missing', programs: [], credentials: [] };
  }
}

const kindOf = ({ node }: SelectedSource): 'file' | 'directory' =>
  node.type === 'directory' ? 'directory' : 'file';

function isExcluded({ unfiltered }: BuildContext, word: string): boolean {
  try {
    return unfiltered.resolve(toBytePath(word)).node !== undefined;
  } catch {
    return false;
  }
}

function contentFacts(sources: readonly SelectedSource[]): Pick<SourceFacts, 'programs' | 'credentials'> {
  const programs = new Map<string, readonly string[]>();
  const credentials = new Set<string>();
  for (const source of sources) {
    for (const { path: below, node } of source.files) {
      if (node.type !== 'file') continue;
      const path = formatBytePath(below === '' ? node.path : joinBytePath(source.node.path, below)).slice(1);
      if (CREDENTIALS.test(path)) credentials.add(path);
      const architectures = mayBeProgram(path, node) ? machinesOf(node) : [];
      if (architectures.length > 0) programs.set(path, architectures);
    }
  }
  return {
    programs: Array.from(programs, ([path, architectures]) => ({ path, architectures })),
    credentials: [...credentials],
  };
}

const mayBeProgram = (path: string, { stat }: TreeNode): boolean =>
  stat.size >= 52n && ((stat.mode & 0o111n) !== 0n || /\.so(?:\.[\d.]+)?$/.test(path));

const HEADER_BYTES = 64;
/** e_type of programs and shared libraries. */
const LOADABLE = [2, 3];

/** The architectures that run the program; none when it is no program or for a machine nobody builds for. */
function machinesOf(node: TreeNode): string[] {
  const header = withSourceFile(node, (fd) => {
    const bytes = Buffer.alloc(HEADER_BYTES);
    return bytes.subarray(0, readSync(fd, bytes, 0, HEADER_BYTES, 0));
  });
  const facts = inspectElf(header);
  if (facts === undefined || !LOADABLE.includes(facts.type)) return [];
  return [...new Set(architectureOfElf(facts)?.platforms.map(({ architecture }) => architecture) ?? [])];
}
