/** `--cache-to`: what the steps of a build made, for other stores: one manifest for all platforms. */
import { ArchBuildError } from '../../errors.ts';
import type { StepName } from '../../events.ts';
import type { Job } from '../options.ts';
import type { StepRecord } from './cache-document.ts';
import type { CacheMode, CacheTarget, OwnTarget } from './cache-options.ts';
import type { GrowingCache, GrownStep } from './growing-cache.ts';

export class ExportedCaches implements AsyncDisposable {
  readonly #job: Job;
  readonly #caches: readonly GrowingCache[];
  #isFinished = false;

  private constructor(job: Job, caches: readonly GrowingCache[]) {
    this.#job = job;
    this.#caches = caches;
  }

  /** The job's signal is that of the whole build: a step that fails does not end what is on its way. */
  static async open(
    job: Job,
    targets: readonly CacheTarget[],
    insecure: readonly string[],
  ): Promise<ExportedCaches> {
    const own = targets.filter((target): target is OwnTarget => target.type !== 'inline'); // manifests have those
    if (own.length === 0) return new ExportedCaches(job, []);
    const { GrowingCache } = await import('./growing-cache.ts'); // most builds have none
    return new ExportedCaches(
      job,
      own.map((target) => new GrowingCache(job, target, insecure)),
    );
  }

  /** What a step has come to. Returns at once. */
  add(step: StepName, grown: GrownStep): void {
    const takers = this.#caches.filter((cache) => cache.add(grown));
    if (takers.length > 0)
      this.#job.report({ type: 'step-exported', step, caches: takers.map(({ name }) => name) });
  }

  /** The build has succeeded. Throws what a cache throws, unless its errors are to be ignored. */
  async finish(records: Readonly<Record<CacheMode, readonly StepRecord[]>>): Promise<void> {
    this.#isFinished = true;
    const { signal, report } = this.#job;
    for (const cache of this.#caches) {
      try {
        await cache.finish(records[cache.mode]);
      } catch (error) {
        signal.throwIfAborted();
        if (!cache.ignoresErrors || !(error instanceof ArchBuildError)) throw error;
        report({ type: 'warning', text: `the cache ${cache.name} cannot be written: ${error.message}` });
      }
    }
  }

  /** Of a build that failed, what was done goes to the caches first. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#caches.map(async (cache) => {
        if (!this.#isFinished) await cache.leave();
        await cache[Symbol.asyncDispose]();
      }),
    );
  }
}
