/** Where the result of a build goes besides the store (`--output`): a value of each kind. */
export type Output =
  /** A root file system as files, in an absolute directory. */
  | ({ readonly type: 'local'; readonly directory: string } & Split)
  /** The same as a tar. */
  | ({ readonly type: 'tar' } & Delivered & Split)
  /** An image archive. */
  | ({ readonly type: 'oci' } & Delivered & Named)
  /** What `docker load` has always taken: one platform. */
  | ({ readonly type: 'docker' } & Delivered & Named)
  /** An image layout, in an absolute directory. */
  | ({ readonly type: 'layout'; readonly directory: string } & Named)
  /** More names in the store. */
  | ({ readonly type: 'image' } & Named)
  | ({ readonly type: 'registry'; readonly byDigest: boolean } & Named)
  /** Nothing: what the steps made stays in the cache. */
  | { readonly type: 'cacheonly' };

/** Takes a stream to where it belongs: to a file, whole or not at all, or to standard output. */
export type Deliver = (data: AsyncIterable<Uint8Array>) => Promise<void>;

export interface Delivered {
  /** An absolute path; `-` for standard output. */
  readonly dest: string;
  readonly deliver: Deliver;
}

interface Split {
  /** A folder for each platform; by default where there are several. */
  readonly isSplit: boolean | undefined;
}

interface Named {
  /** Full references; without one the tags of the build. */
  readonly names: readonly string[];
}

/** The names that outputs give the image in the store. */
export const storedNames = (outputs: readonly Output[]): string[] =>
  outputs.flatMap((output) => (output.type === 'image' ? output.names : []));

/** Only what leaves nothing behind was asked for. */
export const isCacheOnly = (outputs: readonly Output[]): boolean =>
  outputs.length > 0 && outputs.every(({ type }) => type === 'cacheonly');
