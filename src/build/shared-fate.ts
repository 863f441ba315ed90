/** Work that goes on at the same time and fails together: the first failure stops the rest, and is the one that is told. */
import { ArchBuildError } from '../errors.ts';

export class SharedFate {
  readonly #controller = new AbortController();
  #failure: { readonly error: unknown } | undefined;
  /** Aborted by the outer signal, and by the first failure. */
  readonly signal: AbortSignal;

  constructor(outer: AbortSignal) {
    this.signal = AbortSignal.any([outer, this.#controller.signal]);
  }

  /** The results in order. Throws the first failure of any work of this fate, once all parts have ended. */
  async all<T>(parts: readonly Promise<T>[]): Promise<T[]> {
    const results: T[] = [];
    const ends = parts.map(async (part, index) => {
      try {
        results[index] = await part;
      } catch (error) {
        this.#fail(error);
      }
    });
    await Promise.all(ends);
    if (this.#failure !== undefined) throw this.#failure.error;
    return results;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#controller.abort(new ArchBuildError('INTERRUPTED', 'given up because something else failed'));
  }
}
