/**
 * What esbuild has split becomes files that start fast: CommonJS, of which Node loads a module with a fraction of the
 * work it has with an ES module, and what is always loaded together in one file, a pack.
 *
 * A pack is a script whose value is a table of its chunks as functions; scripts/start.cjs calls them.
 */
import { basename } from 'node:path';
import { transform } from 'esbuild';

/** What an entry point loads at once is one pack, but for what is in those before it. */
const PACKS = [
  ['program.js', 'src/main.ts'],
  ['store.js', 'src/store/store.ts'],
  ['images.js', 'src/cli/actions/images.ts'],
  ['inspect.js', 'src/cli/actions/inspect.ts'],
  ['emulators.js', 'src/cli/actions/emulators.ts'],
  ['build.js', 'src/cli/actions/build.ts'],
];

/** Modules of Node that take a while to load, and that many commands never come to use: `require` gives a stand-in. */
export const LATE_MODULES = ['node:child_process', 'node:crypto', 'node:worker_threads', 'node:zlib'];

/** A stand-in answers for one name at a time; who copies all of them would get none. */
const WHOLE_LATE_MODULE = new RegExp(`__toESM\\)?\\(require\\("(${LATE_MODULES.join('|')})"\\)`);

/** The text of each pack by its file name, the name of its pack by each chunk's, and the first chunk's name. */
export async function packChunks({ outputFiles, metafile: { outputs } }) {
  const packOf = packNames(outputs);
  const members = new Map();
  for (const { path, text } of outputFiles) {
    const chunk = basename(path);
    const pack = packOf.get(chunk) ?? chunk;
    members.set(pack, [...(members.get(pack) ?? []), `${JSON.stringify(chunk)}: ${await toFunction(text)}`]);
  }
  const texts = [...members].map(([pack, functions]) => [pack, `({\n${functions.join(',\n')}\n})\n`]);
  return { texts: new Map(texts), packOf, first: basename(entryOf(outputs, 'src/main.ts')) };
}

/** Of chunks that are alone in their pack nothing is said. */
function packNames(outputs) {
  const names = new Map();
  for (const [pack, source] of PACKS) {
    for (const path of loadedAtOnce(outputs, entryOf(outputs, source))) {
      if (!names.has(basename(path))) names.set(basename(path), pack);
    }
  }
  return names;
}

function entryOf(outputs, source) {
  const found = Object.keys(outputs).find((path) => outputs[path].entryPoint === source);
  if (found === undefined) throw new Error(`${source} is no entry point`);
  return found;
}

function loadedAtOnce(outputs, entry) {
  const waiting = [entry];
  const seen = new Set();
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const own = outputs[path].imports.filter(
      ({ kind, external }) => kind === 'import-statement' && !external,
    );
    waiting.push(...own.map((each) => each.path));
  }
  return seen;
}

/** `import()` becomes a promise of `require`: a script that V8 had compiled before cannot import. */
async function toFunction(text) {
  const { code } = await transform(text, {
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    supported: { 'dynamic-import': false },
  });
  if (WHOLE_LATE_MODULE.test(code)) throw new Error(`${WHOLE_LATE_MODULE.exec(code)[0]}: import it by names`);
  return `function (exports, require, module, __moduleUrl) {\n${code}}`;
}
