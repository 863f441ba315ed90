/** Where the result of a build goes besides the store (`--output`): a value of each kind. */
import type { Encoding } from '../../transfer/encode.ts';
import type { ImageSet } from '../../transfer/image-set.ts';
import type { TransportContext } from '../../transfer/transports/transport.ts';

export type Output =
  /** A root file system as files, in an absolute directory. */
  | ({ readonly type: 'local'; readonly directory: string } & Split)
  /** The same as a tar. */
  | ({ readonly type: 'tar' } & Delivered & Split)
  /** An image archive. */
  | ({ readonly type: 'oci' } & Delivered & Named & Packed)
  /** What `docker load` has always taken: one platform. */
  | ({ readonly type: 'docker' } & Delivered & Named & Packed)
  /** An archive of sealer; whoever reads the command line knows how one is written. */
  | ({ readonly type: 'sealer'; readonly archive: SealerArchive } & Delivered & Named & Packed)
  /** An image layout, in an absolute directory. */
  | ({ readonly type: 'layout'; readonly directory: string } & Named & Packed)
  /** More names in the store. */
  | ({ readonly type: 'image' } & Named)
  | ({ readonly type: 'registry'; readonly byDigest: boolean } & Named & Packed)
  /** Nothing: what the steps made stays in the cache. */
  | { readonly type: 'cacheonly' };

/** Takes a stream to where it belongs: to a file, whole or not at all, or to standard output. */
export type Deliver = (data: AsyncIterable<Uint8Array>) => Promise<void>;

export interface Delivered {
  /** An absolute path; `-` for standard output. */
  readonly dest: string;
  readonly deliver: Deliver;
}

export type SealerArchive = (set: ImageSet, context: TransportContext) => AsyncIterable<Uint8Array>;

interface Split {
  /** A folder for each platform; by default where there are several. */
  readonly isSplit: boolean | undefined;
}

interface Named {
  /** Full references; without one the tags of the build. */
  readonly names: readonly string[];
}

interface Packed {
  /** How layers are packed for it, and its media types; without it as the store has them. */
  readonly encoding?: Pick<Encoding, 'packing' | 'plainOnly' | 'family'>;
}

/** The names that outputs give the image in the store. */
export const storedNames = (outputs: readonly Output[]): string[] =>
  outputs.flatMap((output) => (output.type === 'image' ? output.names : []));

/** Only what leaves nothing behind was asked for. */
export const isCacheOnly = (outputs: readonly Output[]): boolean =>
  outputs.length > 0 && outputs.every(({ type }) => type === 'cacheonly');
