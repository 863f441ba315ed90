/** Where a cache is written to: a tag in a registry, or in a directory. What is there is whole before and after each write. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../../errors.ts';
import type { Reporter } from '../../events.ts';
import { encodedOf } from '../../oci/digest.ts';
import { lockDirectory } from '../../sys/lock.ts';
import { loadGraph } from '../../transfer/content-graph.ts';
import { copyGraph } from '../../transfer/copy.ts';
import { OciLayout } from '../../transfer/oci-layout.ts';
import { PushedRepository } from '../../transfer/push.ts';
import type { Job } from '../options.ts';
import { writing } from '../output/writing.ts';
import type { CacheContent, EarlierCache } from './cache-content.ts';
import type { CacheSource } from './cache-options.ts';
import { isCache, readRecords } from './read-records.ts';

export interface CachePlace extends AsyncDisposable {
  /** Undefined when nothing is there. Throws DOCUMENT_INVALID for what is no cache. */
  earlier(): Promise<EarlierCache | undefined>;
  /** `isLast`: nothing else of this build follows. */
  write(content: CacheContent, isLast: boolean): Promise<void>;
}

type Directory = Extract<CacheSource, { readonly type: 'local' }>;

export async function openPlace(
  job: Job,
  target: CacheSource,
  insecure: readonly string[],
): Promise<CachePlace> {
  return target.type === 'local'
    ? new CacheDirectory(job, target)
    : openRegistry(job, target.reference, insecure);
}

async function openRegistry(
  { report, signal }: Job,
  reference: string,
  insecure: readonly string[],
): Promise<CachePlace> {
  const options = { insecure, report: layersOf(report), signal };
  const repository = await PushedRepository.open(reference, options);
  return {
    earlier: async () => {
      const { source } = repository;
      const root = await source.resolve(repository.reference).catch(unlessMissing);
      return root === undefined
        ? undefined
        : { source, records: await ownRecords({ source, root }, reference) };
    },
    write: ({ root, source }) => repository.push(source, root),
    [Symbol.asyncDispose]: () => repository[Symbol.asyncDispose](),
  };
}

/** Its other documents are small, and written after every step. */
const layersOf =
  (report: Reporter): Reporter =>
  (event) => {
    if (event.type !== 'transfer' || event.what === 'layer') report(event);
  };

class CacheDirectory implements CachePlace {
  readonly #job: Job;
  readonly #target: Directory;

  constructor(job: Job, target: Directory) {
    this.#job = job;
    this.#target = target;
  }

  async earlier(): Promise<EarlierCache | undefined> {
    const { directory, tag } = this.#target;
    if (!existsSync(join(directory, 'oci-layout'))) return undefined;
    const source = await OciLayout.open(directory);
    const root = await source.find({ tag });
    return root === undefined
      ? undefined
      : { source, records: await ownRecords({ source, root }, directory) };
  }

  async write(content: CacheContent, isLast: boolean): Promise<void> {
    await writing(this.#target.directory, () => this.#write(content, isLast));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // every write has closed what it opened
  }

  /** The index changes last; layers that no cache of the layout names any more go then. */
  async #write({ root, source }: CacheContent, isLast: boolean): Promise<void> {
    const { report, signal } = this.#job;
    const { directory, tag } = this.#target;
    const layout = await OciLayout.create(directory);
    using _lock = await lockDirectory(directory, signal); // others that write here must not find our layers unused
    await requireCaches(layout, directory);
    await copyGraph(root, { from: source, to: layout }, { report: layersOf(report), signal });
    await layout.replaceImage({ references: [`docker.io/library/cache:${tag}`], root });
    if (isLast) await dropUnused(layout, directory);
  }
}

async function ownRecords(
  { source, root }: Pick<CacheContent, 'source' | 'root'>,
  where: string,
): Promise<EarlierCache['records']> {
  if (await isCache(source, root)) return readRecords(source, root);
  throw new ArchBuildError('DOCUMENT_INVALID', `${where} is no cache`);
}

function unlessMissing(error: unknown): undefined {
  if (!(error instanceof ArchBuildError) || error.code !== 'IMAGE_NOT_FOUND') throw error;
}

/** What is removed from a layout must not be somebody's image. */
async function requireCaches(layout: OciLayout, directory: string): Promise<void> {
  for (const { root } of await layout.images()) {
    if (await isCache(layout, root)) continue;
    throw new ArchBuildError(
      'ARCHIVE_INVALID',
      `${directory} is an image layout with other content than caches`,
      {
        hint: 'name another directory with dest=',
      },
    );
  }
}

const LAYER = /^[0-9a-f]{64}$/;
/** Of a build that was killed: whoever writes has the lock. */
const UNFINISHED = /^[0-9a-f]{64}\.[0-9a-f]+\.tmp$/;

async function dropUnused(layout: OciLayout, directory: string): Promise<void> {
  const roots = (await layout.images()).map(({ root }) => root);
  const { documents, blobs } = await loadGraph(layout, roots);
  const used = [...documents.map(({ descriptor }) => descriptor), ...blobs];
  const names = new Set(used.map(({ digest }) => encodedOf(digest)));
  const folder = join(directory, 'blobs/sha256');
  for (const name of existsSync(folder) ? readdirSync(folder) : [])
    if (UNFINISHED.test(name) || (LAYER.test(name) && !names.has(name)))
      rmSync(join(folder, name), { force: true });
}
