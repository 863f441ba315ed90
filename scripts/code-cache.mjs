/**
 * Compiles the packs in dist/ and leaves V8's code beside them, for the Node that runs this: `dist/main.js` takes it in
 * place of compiling. `node scripts/code-cache.mjs` adds the code for another Node.
 */
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
import { sealed } from './seal.cjs';

const LOADER = 'main.js';
const dist = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');

const packs = readdirSync(dist)
  .filter((name) => name.endsWith('.js') && name !== LOADER)
  .map((name) => join(dist, name));

// Whole, not only what runs when a pack is loaded; the code remembers the flags it is written under.
setFlagsFromString('--no-lazy');
const compiled = packs.map((filename) => {
  const text = readFileSync(filename);
  return { filename, text, script: new Script(text.toString('utf8'), { filename }) };
});
setFlagsFromString('--lazy');
for (const { filename, text, script } of compiled) {
  const path = `${filename}.v8-${process.versions.v8}`;
  writeFileSync(`${path}.tmp`, sealed(text, script.createCachedData()));
  renameSync(`${path}.tmp`, path);
}
