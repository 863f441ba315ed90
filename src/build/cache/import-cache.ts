/**
 * `--cache-from`: what steps made elsewhere. A cache is asked when the store does not have a step's result, and a layer
 * is brought when its step comes up; it counts when its content has the digest that the cache says, and for this
 * build alone. That the step really makes that layer is the cache's word: who names it trusts who writes to it.
 */
import { ArchBuildError } from '../../errors.ts';
import { decompress } from '../../layer/decompress.ts';
import type { ContentSource } from '../../oci/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { digestOfDiffId, type CacheKey } from '../../oci/digest.ts';
import { MEDIA_TYPES } from '../../oci/media-types.ts';
import { storeSink } from '../../store/content-sink.ts';
import type { Job } from '../options.ts';
import { SharedWork } from '../shared-work.ts';
import type { MadeStep } from '../step-context.ts';
import { describeCache, type CacheSource } from './cache-options.ts';
import type { FoundRecord } from './read-records.ts';

interface OpenCache {
  readonly name: string;
  readonly source: ContentSource;
  readonly records: ReadonlyMap<CacheKey, FoundRecord>;
}

export class ImportedCaches implements AsyncDisposable {
  readonly #job: Job;
  readonly #sources: readonly CacheSource[];
  readonly #insecure: readonly string[];
  readonly #opened: AsyncDisposable[] = [];
  readonly #found = new SharedWork<CacheKey, MadeStep | undefined>();
  #caches: Promise<readonly OpenCache[]> | undefined;

  /** Nothing is opened before the first question. */
  constructor(job: Job, sources: readonly CacheSource[], insecure: readonly string[] = []) {
    this.#job = job;
    this.#sources = sources;
    this.#insecure = insecure;
  }

  /** What the first cache that has the step says it made, its layer in the store. Cannot be had: a warning, undefined. */
  async find(key: CacheKey): Promise<MadeStep | undefined> {
    if (this.#sources.length === 0) return undefined;
    return this.#found.make(key, async () => {
      this.#caches ??= this.#openAll();
      for (const cache of await this.#caches) {
        const record = cache.records.get(key);
        const made = record && (await this.#orWarning(cache.name, () => this.#bring(cache, record)));
        if (made !== undefined) return { ...made, from: cache.name };
      }
      return undefined;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opened of this.#opened) await opened[Symbol.asyncDispose]();
  }

  async #openAll(): Promise<readonly OpenCache[]> {
    const opened = await Promise.all(
      this.#sources.map((source) => this.#orWarning(describeCache(source), () => this.#open(source))),
    );
    return opened.filter((cache) => cache !== undefined);
  }

  async #open(from: CacheSource): Promise<OpenCache> {
    const { source, root } = from.type === 'local' ? await openLayout(from) : await this.#openRegistry(from);
    const { readRecords } = await import('./read-records.ts');
    const name = describeCache(from);
    const records = new Map((await readRecords(source, root)).map((record) => [record.key, record]));
    this.#job.report({ type: 'info', text: `cache ${name}: ${records.size} steps` });
    return { name, source, records };
  }

  /** By the way that pulls go: mirrors first. */
  async #openRegistry({
    reference,
  }: Extract<CacheSource, { type: 'registry' }>): Promise<{ source: ContentSource; root: Descriptor }> {
    const { openRepository } = await import('../../transfer/transports/registry.ts'); // most builds have no such cache
    const { onlyImage } = await import('../../transfer/image-choice.ts');
    const { store, report, signal } = this.#job;
    const opened = await openRepository(reference, {
      store,
      report,
      signal,
      registry: { insecure: this.#insecure },
    });
    this.#opened.push(opened);
    return { source: opened.content, root: onlyImage(opened.images, reference).root };
  }

  async #bring({ source }: OpenCache, { created, layer, descriptor }: FoundRecord): Promise<MadeStep> {
    if (layer === undefined) return { created };
    if (descriptor === undefined)
      throw new ArchBuildError('DOCUMENT_INVALID', `it has no layer ${layer.index}`);
    const { store } = this.#job;
    const { diffId, size } = layer;
    const tar: Descriptor = { mediaType: MEDIA_TYPES.ociLayer, digest: digestOfDiffId(diffId), size };
    if (!(await storeSink(store).has(tar))) {
      const { verified } = await import('../../transfer/verified-stream.ts');
      const { data } = await decompress(verified(descriptor, source.read(descriptor)));
      await store.blobs.write(tar, data);
    }
    return { created, snapshot: { diffId, size } };
  }

  async #orWarning<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
    const { signal, report } = this.#job;
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ArchBuildError)) throw error;
      const places = error.items.map((item) => `; ${item}`).join('');
      report({ type: 'warning', text: `the cache ${name} is of no use here: ${error.message}${places}` });
      return undefined;
    }
  }
}

async function openLayout({
  directory,
  tag,
}: Extract<CacheSource, { type: 'local' }>): Promise<{ source: ContentSource; root: Descriptor }> {
  const { OciLayout } = await import('../../transfer/oci-layout.ts');
  const source = await OciLayout.open(directory);
  const root = await source.find({ tag });
  if (root === undefined) throw new ArchBuildError('IMAGE_NOT_FOUND', `it has no tag ${tag}`);
  return { source, root };
}
