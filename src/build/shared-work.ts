/** What several stages or platforms of a build want: whoever comes first makes it, the others are given the same. */
export class SharedWork<Key, Result> {
  readonly #made = new Map<Key, Promise<Result>>();

  /** Undefined when nobody of this build has begun with it. */
  get(key: Key): Promise<Result> | undefined {
    return this.#made.get(key);
  }

  /** Makes it, unless somebody else does or has. A failure is everybody's. */
  make(key: Key, work: () => Promise<Result>): Promise<Result> {
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const result = work();
    this.#made.set(key, result);
    return result;
  }
}
