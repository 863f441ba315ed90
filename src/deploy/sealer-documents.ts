/** An image of the store in the documents of sealer v0.8: the list of its platforms, and an Image for each. */
import { readFileSync } from 'node:fs';
import { clusterOf } from '../build/cluster-image.ts';
import { formatSealerImage, type SealerImage } from '../cluster/sealer-image.ts';
import { sealerLayers, sealerPlatform } from '../cluster/sealer-layers.ts';
import type { SealerManifest, SealerMetadata } from '../cluster/sealer-metadata.ts';
import { describeSealerLayer, type OwnerNames, type SealerLayerFacts } from '../layer/sealer-layer.ts';
import { chainIdsOf, type ChainId } from '../oci/digest.ts';
import { familiarReference, parseReference } from '../oci/reference.ts';
import type { ImageDetails, PlatformImage } from '../store/image-details.ts';
import type { Store } from '../store/store.ts';
import { unpackPlatforms } from './platform-tree.ts';
import { NO_REMARKS, parseRemarks, SEALER_ANNOTATION } from './sealer-annotation.ts';

export interface SealerPlatform {
  readonly image: SealerImage;
  readonly id: string;
  /** The Image document, YAML. */
  readonly text: string;
  readonly manifest: SealerManifest;
  /** Where the layers of `image` are, in the same order. */
  readonly snapshots: readonly ChainId[];
}

export interface SealerDocuments {
  readonly name: string;
  readonly platforms: readonly SealerPlatform[];
  readonly metadata: SealerMetadata;
  /** As the layers' ids say them. */
  readonly owners: OwnerNames;
}

/** The platforms' layers are unpacked where they are not yet. */
export async function sealerDocuments(
  job: { readonly store: Store; readonly signal: AbortSignal },
  details: Pick<ImageDetails, 'image' | 'platforms'>,
): Promise<SealerDocuments> {
  const { image } = details;
  const name = image.name === undefined ? image.root.digest : familiarReference(parseReference(image.name));
  const owners = ownersOfHost();
  await unpackPlatforms(job, details.platforms);
  const platforms = details.platforms.map((platform) =>
    describePlatform(job.store, platform, { name, owners }),
  );
  return { name, platforms, metadata: { [name]: platforms.map(({ manifest }) => manifest) }, owners };
}

const EPOCH = '1970-01-01T00:00:00Z';

function describePlatform(
  store: Store,
  { config, manifest, platform }: PlatformImage,
  { name, owners }: { readonly name: string; readonly owners: OwnerNames },
): SealerPlatform {
  const chain = chainIdsOf(config.rootfs.diff_ids);
  const facts = chain.map((chainId) => describeSealerLayer(store.layout.snapshotTree(chainId), owners));
  const cluster = clusterOf(manifest.annotations);
  const said = manifest.annotations?.[SEALER_ANNOTATION];
  const remarks = said === undefined ? NO_REMARKS : parseRemarks(said);
  const commands = cluster?.launch.cmds ?? [];
  const image: SealerImage = {
    name,
    platform: sealerPlatform(platform),
    layers: sealerLayers(
      config.history ?? [],
      facts.map(({ id }) => id),
    ),
    commands: {
      parent: commands.slice(0, remarks.parentCommands),
      current: commands.slice(remarks.parentCommands),
    },
    arguments: remarks.arguments,
    labels: config.config?.Labels ?? {},
    isApplication: remarks.isApplication || cluster?.type === 'app-installer',
    version: remarks.version,
  };
  const document = formatSealerImage(image);
  return {
    image,
    ...document,
    manifest: {
      id: document.id,
      created: config.created ?? EPOCH,
      size: sumOf(facts),
      platform: image.platform,
    },
    snapshots: chain.filter((_, index) => facts[index]?.id !== undefined),
  };
}

const sumOf = (facts: readonly SealerLayerFacts[]): number =>
  facts.reduce((sum, { fileSize }) => sum + fileSize, 0);

/** sealer writes the names that the building host knows. */
function ownersOfHost(): OwnerNames {
  const names = (path: string): ReadonlyMap<number, string> =>
    new Map(
      readText(path)
        .split('\n')
        .map((line) => line.split(':'))
        .map(([name = '', , id = '']) => [id === '' ? Number.NaN : Number(id), name]),
    );
  const [users, groups] = [names('/etc/passwd'), names('/etc/group')];
  return { user: (uid) => users.get(uid) ?? '', group: (gid) => groups.get(gid) ?? '' };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
