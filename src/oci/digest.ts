/**
 * Content digests. Four ids are four types, so that mixing them does not compile:
 * Digest (of stored bytes), DiffId (of an uncompressed layer tar), ChainId (of a stack of layers), CacheKey.
 *
 * Source: OCI image-spec descriptor.md "Digests".
 */
import { createHash } from 'node:crypto';
import { ArchBuildError } from '../errors.ts';

declare const brand: unique symbol;
export type Digest = string & { readonly [brand]: 'Digest' };
export type DiffId = string & { readonly [brand]: 'DiffId' };
export type ChainId = string & { readonly [brand]: 'ChainId' };
export type CacheKey = string & { readonly [brand]: 'CacheKey' };

const ENCODED_LENGTH: ReadonlyMap<string, number> = new Map([
  ['sha256', 64],
  ['sha512', 128],
]);

/** Throws DIGEST_INVALID unless `text` is `sha256:<64 lower-case hex>` or `sha512:<128>`. */
export function parseDigest(text: string): Digest {
  const [algorithm, encoded, ...rest] = text.split(':');
  const length = ENCODED_LENGTH.get(algorithm ?? '');
  const valid = rest.length === 0 && encoded?.length === length && /^[0-9a-f]+$/.test(encoded ?? '');
  if (length === undefined || !valid) {
    throw new ArchBuildError('DIGEST_INVALID', `not a digest: ${JSON.stringify(text.slice(0, 160))}`, {
      hint: 'write sha256: and 64 lower-case hexadecimal digits',
    });
  }
  return text as Digest;
}

/** `algorithm` is one that `parseDigest` takes. */
export function digestOf(bytes: Uint8Array | string, algorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

export const algorithmOf = (digest: Digest | DiffId | ChainId): string =>
  digest.slice(0, digest.indexOf(':'));
export const encodedOf = (digest: Digest | DiffId | ChainId | CacheKey): string =>
  digest.slice(digest.indexOf(':') + 1);

/** An uncompressed layer is stored as what it is: its digest and its diffID are the same bytes. */
export const digestOfDiffId = (diffId: DiffId): Digest => diffId as unknown as Digest;
export const diffIdOfDigest = (digest: Digest): DiffId => digest as unknown as DiffId;

/** Spec: config.md "Layer ChainID". `parent` undefined for the first layer. */
export function chainIdOf(parent: ChainId | undefined, diffId: DiffId): ChainId {
  if (parent === undefined) return diffId as unknown as ChainId;
  return digestOf(`${parent} ${diffId}`) as unknown as ChainId;
}

export function chainIdsOf(diffIds: readonly DiffId[]): ChainId[] {
  const chain: ChainId[] = [];
  for (const diffId of diffIds) chain.push(chainIdOf(chain.at(-1), diffId));
  return chain;
}
