/** Counts a file's vectors and prints the one line `N passed, N failed, N skipped` at its end. */
import { afterAll, expect, it } from 'vitest';

export interface Vector {
  readonly name: string;
  /** Throws when the product does not do what the vector says. */
  readonly check: () => void | Promise<void>;
}

/**
 * One test per vector. A vector named in `differences` (name → reason) counts as skipped, and its check must fail: an
 * entry that has become wrong is found, and so is one that names no vector.
 */
export function testVectors(
  title: string,
  vectors: readonly Vector[],
  differences: Readonly<Record<string, string>>,
): void {
  const count = { passed: 0, failed: 0, skipped: 0 };
  afterAll(() => {
    console.log(`${title}: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  });
  it('names only vectors that exist in the list of differences', () => {
    expect(
      Object.keys(differences).filter((name) => !vectors.some((vector) => vector.name === name)),
    ).toEqual([]);
  });
  it.each(vectors)('$name', async ({ name, check }) => {
    if (Object.hasOwn(differences, name)) {
      await expect((async () => check())(), `differs no longer: ${differences[name]!}`).rejects.toThrow();
      count.skipped++;
      return;
    }
    count.failed++;
    await check();
    count.failed--;
    count.passed++;
  });
}
