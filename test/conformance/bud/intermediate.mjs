/**
 * The images buildah keeps of steps, which `images -a` lists. arch-build keeps records in its cache instead; a step
 * that it ran anew is an image more, one that it found in its cache is none. A step that only changes the
 * configuration is never in the cache: it is new when the one before it is, or when it has not been seen behind it.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { store } from './program.mjs';

const path = () => join(store.directory, '../steps.json');
const read = () => (existsSync(path()) ? JSON.parse(readFileSync(path(), 'utf8')) : []);

/** Notes the steps of a build: `{ stage, text, cached, final }` in order; `base` is what the stage is from. */
export function noteSteps(steps, named) {
  const known = read();
  const chains = new Map();
  for (const { stage, base, text, cached, last } of steps) {
    const before = chains.get(stage) ?? hash(base);
    const key = hash(`${before} ${text}`);
    const runs = known.filter((each) => each.key === key).length;
    const fresh = cached === false || (cached === undefined && runs === 0);
    chains.set(
      stage,
      fresh ? hash(`${key} ${known.length}`) : (known.findLast((each) => each.key === key)?.chain ?? key),
    );
    if (fresh) known.push({ key, chain: chains.get(stage), named: last && named });
  }
  writeFileSync(path(), JSON.stringify(known));
}

const hash = (text) => createHash('sha256').update(text).digest('hex');

export const intermediateRows = () =>
  read()
    .filter(({ named }) => !named)
    .map(({ chain }) => ({
      ID: chain,
      Name: '<none>',
      Tag: '<none>',
      name: null,
      Names: [],
      Digest: `sha256:${chain}`,
    }));

export const forgetSteps = () => rmSync(path(), { force: true });
