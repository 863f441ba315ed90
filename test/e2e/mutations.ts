/**
 * A real two-platform layout taken apart and put together again with one thing wrong, every digest and size above it
 * right again, so that only the mutation itself can be found.
 */
import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { padded, rawHeader } from '../layer/tar-fixtures.ts';

interface Described {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { architecture: string };
}
interface Manifest extends Record<string, unknown> {
  mediaType: string;
  config: Described;
  layers: Described[];
}
interface Config extends Record<string, unknown> {
  rootfs: { diff_ids: string[] };
  history: object[];
}

/** The first platform's parts; whoever changes one calls the store functions of what is above. */
interface Parts {
  readonly directory: string;
  readonly index: { manifests: Described[] } & Record<string, unknown>;
  readonly manifest: Manifest;
  readonly config: Config;
  /** Uncompressed. */
  readonly layer: Buffer;
}

export interface Mutation {
  readonly name: string;
  /** One of the codes that `verify` has to answer with. */
  readonly code: string;
  apply(parts: Parts): Promise<void>;
}

const sha256 = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const blobPath = (directory: string, digest: string): string =>
  join(directory, 'blobs', digest.replace(':', '/'));
const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';
const TAR = 'application/vnd.oci.image.layer.v1.tar';

async function store(directory: string, bytes: Buffer): Promise<{ digest: string; size: number }> {
  const digest = sha256(bytes);
  await writeFile(blobPath(directory, digest), bytes);
  return { digest, size: bytes.length };
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** From the manifest upwards. */
async function storeManifest({ directory, index, manifest }: Parts): Promise<void> {
  Object.assign(index.manifests[0]!, await store(directory, json(manifest)));
  await storeIndex(directory, index);
}

async function storeIndex(directory: string, index: object): Promise<void> {
  const path = join(directory, 'index.json');
  const top = JSON.parse(await readFile(path, 'utf8')) as { manifests: Described[] };
  Object.assign(top.manifests[0]!, await store(directory, json(index)));
  await writeFile(path, json(top));
}

async function storeConfig(parts: Parts): Promise<void> {
  Object.assign(parts.manifest.config, await store(parts.directory, json(parts.config)));
  await storeManifest(parts);
}

/** `diffId`: of the tar inside `stored`. */
async function storeLayer(
  parts: Parts,
  { stored, mediaType, tar }: { stored: Buffer; mediaType: string; tar: Buffer },
): Promise<void> {
  Object.assign(parts.manifest.layers[0]!, { ...(await store(parts.directory, stored)), mediaType });
  parts.config.rootfs.diff_ids[0] = sha256(tar);
  await storeConfig(parts);
}

/** The layer with one more entry in front. */
const withEntry =
  (name: string, content = '') =>
  async (parts: Parts): Promise<void> => {
    const size = `${content.length.toString(8).padStart(11, '0')}\0`;
    const tar = Buffer.concat([
      rawHeader(name, '0', { 124: size }),
      padded(Buffer.from(content)),
      parts.layer,
    ]);
    await storeLayer(parts, { stored: tar, mediaType: TAR, tar });
  };

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length >> 1]! ^= 1;
  await writeFile(path, bytes);
}

const configChange = (change: (config: Config) => void) => async (parts: Parts) => {
  change(parts.config);
  await storeConfig(parts);
};
const manifestChange = (change: (manifest: Manifest) => void) => async (parts: Parts) => {
  change(parts.manifest);
  await storeManifest(parts);
};

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'flipped byte in the layer',
    code: 'content-digest',
    apply: ({ directory, manifest }) => flip(blobPath(directory, manifest.layers[0]!.digest)),
  },
  {
    name: 'flipped byte in the config',
    code: 'content-digest',
    apply: ({ directory, manifest }) => flip(blobPath(directory, manifest.config.digest)),
  },
  {
    name: 'missing blob',
    code: 'content-missing',
    apply: ({ directory, manifest }) => rm(blobPath(directory, manifest.layers[0]!.digest)),
  },
  {
    name: 'wrong size of the layer',
    code: 'content-size',
    apply: manifestChange(({ layers }) => (layers[0]!.size += 1)),
  },
  {
    name: 'wrong size of the manifest in the index',
    code: 'content-size',
    apply: async ({ directory, index }) => {
      index.manifests[0]!.size -= 1;
      await storeIndex(directory, index);
    },
  },
  {
    name: 'wrong diff_id',
    code: 'layer-diff-id',
    apply: configChange(({ rootfs }) => (rootfs.diff_ids[0] = sha256(Buffer.from('other')))),
  },
  {
    name: 'one diff_id too many',
    code: 'config-layer-count',
    apply: configChange(({ rootfs }) => rootfs.diff_ids.push(rootfs.diff_ids[0]!)),
  },
  {
    name: 'one history entry too many',
    code: 'config-history-count',
    apply: configChange(({ history }) => history.push({ created_by: 'nobody' })),
  },
  {
    name: 'no architecture',
    code: 'document',
    apply: configChange((config) => delete config['architecture']),
  },
  {
    name: 'config and index of two architectures',
    code: 'config-platform',
    apply: configChange((config) => (config['architecture'] = 's390x')),
  },
  {
    name: 'type tar, bytes gzip',
    code: 'layer-compression',
    apply: (parts) => storeLayer(parts, { stored: gzipSync(parts.layer), mediaType: TAR, tar: parts.layer }),
  },
  {
    name: 'no schemaVersion',
    code: 'document',
    apply: manifestChange((manifest) => delete manifest['schemaVersion']),
  },
  { name: 'a path twice in the layer', code: 'layer-duplicate', apply: withEntry('hello', 'twice') },
  { name: 'a whiteout without a name', code: 'layer-whiteout', apply: withEntry('etc/.wh.') },
  { name: 'an entry ../evil', code: 'layer-path', apply: withEntry('../evil', 'evil') },
  {
    name: 'something after the gzip stream',
    code: 'layer-tar',
    apply: (parts) =>
      storeLayer(parts, {
        stored: Buffer.concat([gzipSync(parts.layer), Buffer.from('garbage')]),
        mediaType: GZIP,
        tar: parts.layer,
      }),
  },
  {
    name: 'no oci-layout file',
    code: 'container',
    apply: ({ directory }) => rm(join(directory, 'oci-layout')),
  },
  {
    name: 'Docker layer type in an OCI manifest',
    code: 'manifest-family',
    apply: manifestChange(
      ({ layers }) => (layers[0]!.mediaType = 'application/vnd.docker.image.rootfs.diff.tar'),
    ),
  },
];

/** A copy of the layout with the mutation in it. */
export async function mutate(layout: string, mutation: Mutation, target: string): Promise<void> {
  await mkdir(target);
  await cp(layout, target, { recursive: true });
  const read = async (digest: string): Promise<Buffer> => readFile(blobPath(target, digest));
  const top = JSON.parse(await readFile(join(target, 'index.json'), 'utf8')) as Parts['index'];
  const index = JSON.parse((await read(top.manifests[0]!.digest)).toString()) as Parts['index'];
  const manifest = JSON.parse((await read(index.manifests[0]!.digest)).toString()) as Manifest;
  const config = JSON.parse((await read(manifest.config.digest)).toString()) as Config;
  const stored = await read(manifest.layers[0]!.digest);
  const layer = stored[0] === 0x1f ? gunzipSync(stored) : stored;
  await mutation.apply({ directory: target, index, manifest, config, layer });
}
