/** Takes what was built to its outputs: the table of what each kind does. */
import { ArchBuildError } from '../../errors.ts';
import { rootfsTar } from '../../layer/rootfs-tar.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { formatReference, parseReference } from '../../oci/reference.ts';
import type { Built } from './built.ts';
import { writeLayout } from './image-layout.ts';
import type { Output } from './output.ts';
import { contextOf, packedImage } from './packed-image.ts';
import { writing } from './writing.ts';
import { openTrees, writeRootfs } from './rootfs-output.ts';

type Writers = {
  readonly [Type in Output['type']]: (built: Built, output: OutputOf<Type>) => Promise<void>;
};
type OutputOf<Type extends Output['type']> = Extract<Output, { readonly type: Type }>;

const WRITERS: Writers = {
  local: writeRootfs,
  tar: async (built, output) => output.deliver(rootfsTar(await openTrees(built, output))),
  oci: writeOciArchive,
  docker: writeDockerArchive,
  sealer: writeSealerArchive,
  layout: writeLayout,
  image: () => Promise.resolve(), // its names are the store's: set with the tags, last
  registry: push,
  cacheonly: () => Promise.resolve(),
};

/** One after the other, in the order given. Throws what each throws: those before it are written then. */
export async function writeOutputs(built: Built, outputs: readonly Output[]): Promise<void> {
  for (const output of outputs) {
    built.job.signal.throwIfAborted();
    const place = 'directory' in output ? output.directory : `--output type=${output.type}`;
    await writing(place, () => writerOf(output.type)(built, output));
  }
}

/** The table's row fits its own kind of output: what TypeScript cannot say of a union. */
const writerOf = (type: Output['type']): ((built: Built, output: Output) => Promise<void>) =>
  WRITERS[type] as (built: Built, output: Output) => Promise<void>;

async function writeOciArchive(built: Built, output: OutputOf<'oci'>): Promise<void> {
  const { ociArchive } = await import('../../transfer/oci-archive.ts'); // most builds have no such output
  const { content, images } = await packedImage(built, output);
  await output.deliver(ociArchive(content, images, contextOf(built)));
}

async function writeDockerArchive(built: Built, output: OutputOf<'docker'>): Promise<void> {
  const { dockerArchive } = await import('../../transfer/docker-archive.ts');
  const { content, images } = await packedImage(built, output, onlyManifest(built));
  await output.deliver(dockerArchive(content, images));
}

async function writeSealerArchive(built: Built, output: OutputOf<'sealer'>): Promise<void> {
  await output.deliver(output.archive(await packedImage(built, output), contextOf(built)));
}

function onlyManifest({ manifests }: Built): Descriptor {
  const [only] = manifests;
  if (only !== undefined && manifests.length === 1) return only;
  throw new ArchBuildError(
    'USAGE',
    `a docker archive holds one platform, and ${manifests.length} were built`,
    {
      hint: 'write type=oci, or build for one platform',
    },
  );
}

async function push(built: Built, output: OutputOf<'registry'>): Promise<void> {
  const { pushImage } = await import('../../transfer/push.ts');
  const { report, signal } = built.job;
  const { content, image } = await packedImage(built, output);
  const { root, references } = image;
  for (const name of references) {
    const { domain, path } = parseReference(name);
    const target = output.byDigest ? formatReference({ domain, path, digest: root.digest }) : name;
    report({ type: 'info', text: `pushing ${target}` });
    await pushImage(content, { root, name: target }, { insecure: built.insecure, report, signal });
  }
}
