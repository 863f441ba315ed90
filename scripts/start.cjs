/**
 * dist/main.js: loads the program's chunks out of their packs (scripts/packs.mjs), and with a pack the code that V8 once
 * made of it (scripts/code-cache.mjs): to compile is most of what starting costs.
 *
 * V8 refuses code of another version of its own, of other flags or of a text of another length. Code older than its
 * pack is not tried, so that whoever changes a pack by hand runs what it says.
 */
const { closeSync, fstatSync, openSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');
const { Script } = require('node:vm');

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
  const { bytes, modified } = read(filename);
  const cachedData = codeOf(filename, modified);
  const script = new Script(bytes.toString('utf8'), { filename, cachedData });
  for (const [chunk, body] of Object.entries(script.runInThisContext())) functions.set(chunk, body);
}

function codeOf(filename, packModified) {
  try {
    const { bytes, modified } = read(`${filename}.v8-${process.versions.v8}`);
    return modified < packModified ? undefined : bytes;
  } catch {
    return undefined; // another Node than the one that built it: it compiles for itself
  }
}

function read(path) {
  const file = openSync(path, 'r');
  try {
    return { bytes: readFileSync(file), modified: fstatSync(file).mtimeMs };
  } finally {
    closeSync(file);
  }
}
