/** A name's content from its mirrors and its registry: the first that has it, and the next where that one stops. */
import { ArchBuildError, type ErrorCode } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Reference } from '../oci/reference.ts';
import type { RegistryClient } from './registry-client.ts';
import type { Route } from './registry-routes.ts';
import { RegistrySource, type RangeSource } from './registry-source.ts';

/** What one place may have wrong and the next one right. */
const ELSEWHERE: ReadonlySet<ErrorCode> = new Set([
  'IMAGE_NOT_FOUND',
  'BLOB_MISSING',
  'REGISTRY',
  'REGISTRY_AUTH',
  'NETWORK',
  'DOCUMENT_INVALID',
  'DIGEST_MISMATCH',
  'SIZE_MISMATCH',
]);

interface Place {
  readonly name: string;
  readonly source: RegistrySource;
}

export class MirroredSource implements RangeSource {
  readonly #client: RegistryClient;
  /** Those that were not given up yet, best first. */
  #places: readonly Place[];

  constructor(client: RegistryClient, routes: readonly [Route, ...Route[]]) {
    this.#client = client;
    this.#places = routes.map((route) => ({
      name: `${route.domain}/${route.path}`,
      source: new RegistrySource(client, route),
    }));
  }

  /** As RegistrySource.resolve; what the last place says is what is thrown. */
  async resolve(reference: Pick<Reference, 'tag' | 'digest'>): Promise<Descriptor> {
    for (;;) {
      const place = this.#current();
      try {
        return await place.source.resolve(reference);
      } catch (error) {
        this.#giveUp(place, error);
      }
    }
  }

  async *read(descriptor: Descriptor): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#from(descriptor, 0, (source) => source.read(descriptor));
  }

  async *readFrom(descriptor: Descriptor, offset: number): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#from(descriptor, offset, (source) => source.readFrom(descriptor, offset));
  }

  async *#from(
    descriptor: Descriptor,
    offset: number,
    begin: (source: RegistrySource) => AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let received = offset;
    for (;;) {
      const place = this.#current();
      const data = received === offset ? begin(place.source) : place.source.readFrom(descriptor, received);
      try {
        for await (const chunk of data) {
          yield chunk;
          received += chunk.length;
        }
        return;
      } catch (error) {
        this.#giveUp(place, error);
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
    if (!(error instanceof ArchBuildError) || !ELSEWHERE.has(error.code)) throw error;
    if (!this.#places.includes(place)) return;
    if (this.#places.length === 1) throw error;
    this.#places = this.#places.filter((other) => other !== place);
    this.#client.options.report?.({
      type: 'info',
      text: `${place.name}: ${error.message}; asking ${this.#current().name}`,
    });
  }
}
