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
const hash = (text) => createHash('sha256').update(text).digest('hex');

/** The steps of one build, in order. */
export class Steps {
  #known = read();
  /** What each stage has come to. */
  #chains = new Map();

  /**
   * Notes a step: `cached` is undefined for one that is never in the cache, `pulled` says that another store's cache had
   * it. Returns its image's id, if it was made anew, and if there was one.
   */
  add({ stage, base, text, cached, pulled, last }) {
    const key = hash(`${this.#chains.get(stage) ?? hash(base)} ${text}`);
    const before = this.#known.findLast((each) => each.key === key);
    const fresh = cached === false || (cached === undefined && before === undefined);
    const id = fresh ? hash(`${key} ${this.#known.length}`) : (before?.id ?? key);
    const known = before !== undefined;
    if (fresh || (pulled && !known)) this.#known.push({ key, id, last });
    this.#chains.set(stage, id);
    return { id, fresh, known };
  }

  keep() {
    writeFileSync(path(), JSON.stringify(this.#known));
  }
}

/** The last step's image is the one that was built: it is listed as such. */
export const intermediateRows = () =>
  read()
    .filter(({ last }) => !last)
    .map(({ id }) => ({
      ID: id,
      Name: '<none>',
      Tag: '<none>',
      name: null,
      Names: [],
      Digest: `sha256:${id}`,
    }));

export const forgetSteps = () => rmSync(path(), { force: true });
