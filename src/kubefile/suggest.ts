/** "did you mean": the known word nearest to what was written, without case. */

/** At most this many edits away, and fewer than half the word. */
const MAX_DISTANCE = 3;

export function didYouMean(word: string, known: readonly string[], prefix = ''): string | undefined {
  // Nothing longer than this is a slip of a known word.
  if (word.length > 40) return undefined;
  const near = known
    .map((candidate) => ({ candidate, distance: distanceOf(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(
      ({ candidate, distance }) =>
        distance <= Math.min(MAX_DISTANCE, Math.max(1, (candidate.length - 1) >> 1)),
    )
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1));
  return near[0] && `did you mean ${prefix}${near[0].candidate}?`;
}

/** The beginning of a word is as near as one edit. */
function distanceOf(word: string, candidate: string): number {
  return word.length > 2 && candidate.startsWith(word) ? 1 : editDistance(word, candidate);
}

/** Insertions, deletions, replacements, and swaps of two neighbours. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(
        (previous[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      row.push(best);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length] ?? 0;
}
