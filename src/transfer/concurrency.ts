/** At most so many at once. After the first error nothing new begins, and what has begun is told to stop. */

/**
 * Results are in the order of the items. Throws the first error, once all work has ended; long work asks `stopped`
 * from time to time and then throws whatever it likes.
 */
export async function mapConcurrently<Item, Result>(
  items: readonly Item[],
  limit: number,
  work: (item: Item, stopped: () => boolean) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const errors: unknown[] = [];
  const queue = items.entries();
  const stopped = (): boolean => errors.length > 0;
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) {
      if (stopped()) return;
      try {
        results[index] = await work(item, stopped);
      } catch (error) {
        errors.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (errors.length > 0) throw errors[0];
  return results;
}
