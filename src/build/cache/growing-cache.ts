/**
 * One cache that a build writes. It grows beside the steps: what a step has made goes there while the next one runs, on
 * top of what was there before, so that a build that ends early leaves what it has done, and takes nothing away. A build
 * that succeeds replaces all that by its own steps.
 */
import type { CacheKey } from '../../oci/digest.ts';
import type { Job } from '../options.ts';
import { CacheContents, type EarlierCache } from './cache-content.ts';
import type { StepRecord } from './cache-document.ts';
import { describeCache, type CacheMode, type OwnTarget } from './cache-options.ts';
import { openPlace, type CachePlace } from './cache-place.ts';

export interface GrownStep {
  readonly record: StepRecord;
  /** By this build, not by one before or elsewhere: it is worth a write of its own. */
  readonly isMade: boolean;
  /** Of a stage that the image stands on. */
  readonly isOfImage: boolean;
}

export class GrowingCache implements AsyncDisposable {
  readonly name: string;
  readonly mode: CacheMode;
  readonly ignoresErrors: boolean;
  readonly #job: Job;
  readonly #open: () => Promise<CachePlace>;
  readonly #contents: CacheContents;
  readonly #records = new Map<CacheKey, StepRecord>();
  #place: CachePlace | undefined;
  #earlier: Promise<EarlierCache | undefined> | undefined;
  #writing: Promise<void> | undefined;
  #written = 0;
  #problem: { readonly message: string } | undefined;

  constructor(job: Job, target: OwnTarget, insecure: readonly string[]) {
    this.name = describeCache(target);
    this.mode = target.mode;
    this.ignoresErrors = target.ignoreError;
    this.#job = job;
    this.#open = () => openPlace(job, target, insecure);
    this.#contents = new CacheContents(job, target.packing);
  }

  /** Returns at once. False when the step is there already, or none of those that the cache is to have. */
  add({ record, isMade, isOfImage }: GrownStep): boolean {
    if (this.#records.has(record.key) || (this.mode === 'min' && !isOfImage)) return false;
    this.#records.set(record.key, record);
    if (isMade) this.#writing ??= this.#writeAll();
    return true;
  }

  /** The steps of a build that succeeded, and nothing else. */
  async finish(records: readonly StepRecord[]): Promise<void> {
    await this.#writing;
    const content = await this.#contents.of(records);
    this.#job.report({ type: 'info', text: `writing the cache ${this.name}: ${content.count} steps` });
    this.#place ??= await this.#open();
    await this.#place.write(content, true);
  }

  /** What a build that failed has done until then. Throws nothing. */
  async leave(): Promise<void> {
    await this.#writing;
    const { report, signal } = this.#job;
    if (signal.aborted) return;
    const count = this.#records.size;
    if (this.#written < count && this.#problem === undefined) {
      const text = `writing the cache ${this.name}: ${count} steps of a build that failed`;
      report({ type: 'info', text });
      await this.#writeAll();
    }
    if (this.#problem === undefined) return;
    report({ type: 'warning', text: `the cache ${this.name} cannot be written: ${this.#problem.message}` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    await this.#place?.[Symbol.asyncDispose]();
  }

  /** What has come meanwhile goes with the next write. A problem ends it, and the last write has it again. */
  async #writeAll(): Promise<void> {
    while (this.#written < this.#records.size && this.#problem === undefined) {
      const records = [...this.#records.values()];
      try {
        await this.#write(records);
        this.#written = records.length;
      } catch (error) {
        this.#problem = { message: error instanceof Error ? error.message : String(error) };
        const text = `the cache ${this.name} does not grow: ${this.#problem.message}`;
        this.#job.report({ type: 'debug', text });
      }
    }
    this.#writing = undefined;
  }

  async #write(records: readonly StepRecord[]): Promise<void> {
    this.#place ??= await this.#open();
    this.#earlier ??= this.#place.earlier();
    const content = await this.#contents.of(records, await this.#earlier);
    await this.#place.write(content, false);
    const text = `the cache ${this.name} has ${records.length} steps of this build`;
    this.#job.report({ type: 'debug', text });
  }
}
