/**
 * dist/main.js: loads the program's chunks out of their packs (scripts/packs.mjs), and with a pack the code that V8 once
 * made of it (scripts/code-cache.mjs): to compile is most of what starting costs.
 *
 * V8 refuses code of another version of its own, of other flags or of a text of another length; what is damaged, or was
 * made of another text, is not given to it (scripts/seal.cjs). Whoever changes a pack by hand runs what it says.
 */
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');
const { Script } = require('node:vm');
const { unsealed } = require('./seal.cjs');

/* global FIRST, LATE_MODULES, PACK_OF -- put in by the build */
const URL_OF_PROGRAM = pathToFileURL(__filename).href;
const functions = new Map();
const modules = new Map();

load(FIRST);

function load(chunk) {
  const known = modules.get(chunk);
  if (known !== undefined) return known.exports;
  if (!functions.has(chunk)) openPack(PACK_OF[chunk] ?? chunk);
  const module = { exports: {} };
  modules.set(chunk, module);
  try {
    functions.get(chunk)(module.exports, requireOf, module, URL_OF_PROGRAM);
  } catch (error) {
    modules.delete(chunk); // not half of it for whoever asks next
    throw error;
  }
  return module.exports;
}

function requireOf(name) {
  if (name.startsWith('./')) return load(name.slice(2));
  return LATE_MODULES.includes(name) ? whenUsed(name) : require(name);
}

/** Whatever is asked of it first loads the module. */
function whenUsed(name) {
  return new Proxy({}, { get: (_, key) => require(name)[key] });
}

function openPack(name) {
  const filename = join(__dirname, name);
  const text = readFileSync(filename);
  const script = new Script(text.toString('utf8'), { filename, cachedData: codeOf(filename, text) });
  for (const [chunk, body] of Object.entries(script.runInThisContext())) functions.set(chunk, body);
}

function codeOf(filename, text) {
  try {
    return unsealed(text, readFileSync(`${filename}.v8-${process.versions.v8}`));
  } catch {
    return undefined; // another Node than the one that built it: it compiles for itself
  }
}
