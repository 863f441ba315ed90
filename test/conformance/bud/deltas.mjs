/** deltas.txt: which tests of bud.bats are skipped, and which run with other words in them. */
import { readFileSync } from 'node:fs';

/**
 * `skips`: reasons by name of a test; `wordings`: what is replaced in a test, by its name; `files`: what is replaced in
 * a file below tests/bud. Throws for a line that is neither of these.
 */
export function readDeltas(path) {
  const skips = new Map();
  const wordings = new Map();
  const files = [];
  let note;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line.startsWith('#') || line.trim() === '') continue;
    const reason = /^skip +(.*)$/.exec(line)?.[1];
    const [, kind, file, theirs, ours] = /^(in|file (\S+)) "(.*)" "(.*)"$/.exec(line) ?? [];
    if (reason !== undefined) note = (name) => skips.set(name, reason);
    else if (file !== undefined) files.push({ file, theirs, ours });
    else if (kind === 'in')
      note = (name) => wordings.set(name, [...(wordings.get(name) ?? []), { theirs, ours }]);
    else if (line.startsWith('  ') && note !== undefined) note(line.trim());
    else throw new Error(`deltas.txt: ${line}`);
  }
  return { skips, wordings, files };
}
