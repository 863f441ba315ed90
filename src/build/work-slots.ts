/** How many stages of a build work at once (`--jobs`), and who is next when one is done. */
export class WorkSlots {
  #free: number;
  #isGranting = false;
  /** In the order of their ranks. */
  readonly #line: { readonly rank: number; readonly begin: () => void }[] = [];

  constructor(limit: number) {
    this.#free = limit;
  }

  /** Runs the work once a slot is free that nobody of a lower rank waits for. */
  async use<T>(rank: number, work: () => Promise<T>): Promise<T> {
    await this.#take(rank);
    try {
      return await work();
    } finally {
      this.#give();
    }
  }

  /** For who has a slot: lets others work while it waits for what one of them makes. */
  async lend<T>(rank: number, other: Promise<T>): Promise<T> {
    this.#give();
    try {
      return await other;
    } finally {
      await this.#take(rank);
    }
  }

  async #take(rank: number): Promise<void> {
    const begun = new Promise<void>((begin) => {
      const behind = this.#line.findIndex((other) => other.rank > rank);
      this.#line.splice(behind < 0 ? this.#line.length : behind, 0, { rank, begin });
    });
    this.#grantSoon();
    await begun;
  }

  #give(): void {
    this.#free += 1;
    this.#grantSoon();
  }

  /** Not at once: what the end of one stage makes possible gets in line first, so that one slot keeps the order. */
  #grantSoon(): void {
    if (this.#isGranting) return;
    this.#isGranting = true;
    setImmediate(() => {
      this.#isGranting = false;
      for (; this.#free > 0 && this.#line.length > 0; this.#free -= 1) this.#line.shift()?.begin();
    });
  }
}
