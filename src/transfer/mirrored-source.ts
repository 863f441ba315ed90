/**
 * A name's content from its mirrors and its registry: the first that has it, and the next where that one stops, or where
 * what it sends is not what was promised.
 */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArchBuildError, type ErrorCode } from '../errors.ts';
import { ContentCheck } from '../oci/content-check.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isConfigType, isIndexType, isManifestType } from '../oci/media-types.ts';
import type { Reference } from '../oci/reference.ts';
import type { RegistryClient } from './registry-client.ts';
import { StartAnewError } from './registry-errors.ts';
import { retrying } from './registry-retry.ts';
import type { Route } from './registry-routes.ts';
import { RegistrySource, type RangeSource } from './registry-source.ts';
import { verified } from './verified-stream.ts';

/** What one place may have wrong and the next one right: it has nothing, or it has something else. */
const ELSEWHERE: Readonly<Partial<Record<ErrorCode, 'absent' | 'wrong'>>> = {
  IMAGE_NOT_FOUND: 'absent',
  BLOB_MISSING: 'absent',
  REGISTRY: 'absent',
  REGISTRY_AUTH: 'absent',
  NETWORK: 'absent',
  DOCUMENT_INVALID: 'wrong',
  DIGEST_INVALID: 'wrong',
  DIGEST_MISMATCH: 'wrong',
  SIZE_MISMATCH: 'wrong',
};

/** Blobs up to here are held in memory, larger ones in a file. Bytes. */
const HELD_IN_MEMORY = 1 << 20;
const READ_SIZE = 1 << 20;

interface Place {
  readonly name: string;
  readonly source: RegistrySource;
}

export class MirroredSource implements RangeSource {
  readonly #client: RegistryClient;
  readonly #only: RegistrySource | undefined;
  readonly #scratch: () => string;
  #directory: string | undefined;
  /** Those that were not given up yet, best first. */
  #places: readonly Place[];
  /** Why the others were. */
  readonly #givenUp: string[] = [];

  /** `scratch`: a directory for what has to be looked at before anybody gets it, made when it is needed. */
  constructor(client: RegistryClient, routes: readonly [Route, ...Route[]], scratch: () => string) {
    this.#client = client;
    this.#scratch = scratch;
    this.#places = routes.map((route) => ({
      name: `${route.domain}/${route.path}`,
      source: new RegistrySource(client, route),
    }));
    this.#only = routes.length === 1 ? this.#places[0]?.source : undefined;
  }

  /** As RegistrySource.resolve; where there are mirrors, what is thrown in the end names each place. */
  async resolve(reference: Pick<Reference, 'tag' | 'digest'>): Promise<Descriptor> {
    return this.#first(async (source) => source.resolve(reference));
  }

  /** Where there are mirrors, nobody gets anything of what turns out to be wrong: so it can go where nothing is taken back. */
  async *read(descriptor: Descriptor): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#only !== undefined) yield* this.#only.read(descriptor);
    else if (isHeldInMemory(descriptor))
      yield* await this.#first(async (source) => wholeOf(verified(descriptor, source.read(descriptor))));
    else yield* this.#throughFile(descriptor);
  }

  /**
   * At once, and what comes from the middle on is the reader's to look at. Throws StartAnewError when what was given out
   * already turned out to be wrong and there is another place.
   */
  readFrom(descriptor: Descriptor, offset: number): AsyncIterable<Uint8Array> {
    return this.#only?.readFrom(descriptor, offset) ?? this.#from(descriptor, offset);
  }

  async *#throughFile(descriptor: Descriptor): AsyncGenerator<Uint8Array, void, undefined> {
    this.#directory ??= this.#scratch();
    const path = join(this.#directory, randomBytes(16).toString('hex'));
    try {
      await retrying(this.#client.options, async () => writeFile(path, this.#from(descriptor, 0)));
      yield* createReadStream(path, { highWaterMark: READ_SIZE }) as AsyncIterable<Buffer>;
    } finally {
      await rm(path, { force: true });
    }
  }

  async #first<Value>(work: (source: RegistrySource) => Promise<Value>): Promise<Value> {
    for (;;) {
      const place = this.#current();
      try {
        return await work(place.source);
      } catch (error) {
        this.#giveUp(place, error);
      }
    }
  }

  /** Nobody knows who was wrong in what several have sent; whoever is left is asked for all of it then. */
  async *#from(descriptor: Descriptor, offset: number): AsyncGenerator<Uint8Array, void, undefined> {
    const check = offset === 0 ? new ContentCheck(descriptor) : undefined;
    const senders = new Set<Place>();
    let received = offset;
    for (;;) {
      const place = this.#current();
      try {
        for await (const chunk of place.source.readFrom(descriptor, received)) {
          senders.add(place);
          check?.update(chunk);
          yield chunk;
          received += chunk.length;
        }
        check?.finish();
        return;
      } catch (error) {
        if (!isWrong(error) || senders.size <= 1) this.#giveUp(place, error);
        if (isWrong(error) && received > offset) throw new StartAnewError(error);
      }
    }
  }

  #current(): Place {
    const [place] = this.#places;
    if (place === undefined) throw new TypeError('no place left'); // the last one is never given up
    return place;
  }

  /** Throws the error where there is no other place. Another reader may have given this one up before. */
  #giveUp(place: Place, error: unknown): void {
    if (!(error instanceof ArchBuildError) || ELSEWHERE[error.code] === undefined) throw error;
    if (!this.#places.includes(place)) return;
    const why = `${place.name}: ${error.message}`;
    if (this.#places.length === 1) throw this.#nobody(error, why);
    this.#places = this.#places.filter((other) => other !== place);
    this.#givenUp.push(why);
    const next = `asking ${this.#current().name}`;
    this.#client.options.report?.(
      isWrong(error)
        ? {
            type: 'warning',
            text: `the mirror ${place.name} sends something wrong: ${error.message}; ${next}`,
          }
        : { type: 'info', text: `${why}; ${next}` },
    );
  }

  #nobody(error: ArchBuildError, why: string): ArchBuildError {
    if (this.#givenUp.length === 0) return error;
    const { code, hint, cause } = error;
    const items = [...this.#givenUp, why];
    return new ArchBuildError(code, `none of the ${items.length} places has what was asked for`, {
      items,
      cause,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

const isWrong = (error: unknown): error is ArchBuildError =>
  error instanceof ArchBuildError && ELSEWHERE[error.code] === 'wrong';

const isHeldInMemory = ({ mediaType, size }: Descriptor): boolean =>
  size <= HELD_IN_MEMORY ||
  [isConfigType, isIndexType, isManifestType].some((isOfType) => isOfType(mediaType));

async function wholeOf(data: AsyncIterable<Uint8Array>): Promise<readonly Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of data) chunks.push(chunk);
  return chunks;
}
