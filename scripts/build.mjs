/**
 * Builds `dist/`: the program in packs of chunks (code splitting keeps what is imported lazily lazy) with their compiled
 * code, and the helper programs in C. Packages with native code stay outside and are found in node_modules at run time.
 *
 * Without a C compiler the helpers that are already there are kept, else a warning says what will not work.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { LATE_MODULES, packChunks } from './packs.mjs';

const EXTERNAL = ['koffi', 'node-pty'];
const PROGRAM = 'main.js';
const LICENCES = 'bundled-licences.txt';
const C_COMPILER = process.env.CC ?? 'cc';
const STRICT = ['-Wall', '-Wextra', '-Werror'];
const C_FLAGS = ['-O2', '-s', ...STRICT];
const PROGRAM_FLAGS = [...C_FLAGS, '-static'];
const LIBRARY_FLAGS = [...C_FLAGS, '-shared', '-fPIC'];
// nothing that a C library or a loader would have to prepare
const FRONT_FLAGS = [
  ...[
    '-Os',
    '-fPIC',
    '-fvisibility=hidden',
    '-ffreestanding',
    '-fno-builtin',
    '-fno-tree-loop-distribute-patterns',
  ],
  ...[
    '-fno-stack-protector',
    '-fcf-protection=none',
    '-fno-asynchronous-unwind-tables',
    '-mgeneral-regs-only',
  ],
  ...STRICT,
];

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');

await bundle();
compileHelpers();

async function bundle() {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const result = await build({
    absWorkingDir: root,
    entryPoints: ['src/main.ts'],
    outdir: 'dist',
    bundle: true,
    splitting: true,
    write: false,
    format: 'esm', // the only one that esbuild splits
    platform: 'node',
    target: 'node20',
    external: EXTERNAL,
    // files of the package are found relative to import.meta.url, whichever chunk asks: the loader says which that is
    define: { ARCH_BUILD_VERSION: JSON.stringify(version), 'import.meta.url': '__moduleUrl' },
    metafile: true,
    logLevel: 'warning',
  }).catch(() => process.exit(1)); // esbuild has printed what is wrong
  const { texts, packOf, first } = await packChunks(result);
  texts.set('package.json', '{ "type": "commonjs" }\n');
  texts.set(PROGRAM, await loaderText({ packOf, first }));
  mkdirSync(dist, { recursive: true });
  for (const [name, text] of texts) writeFileSync(join(dist, name), text);
  removeStale(new Set([LICENCES, ...texts.keys()]));
  writeLicences(Object.keys(result.metafile.inputs));
  chmodSync(join(dist, PROGRAM), 0o755);
  execFileSync(process.execPath, [join(root, 'scripts/code-cache.mjs')], { stdio: 'inherit' });
}

/** scripts/start.cjs with what it has to know of the packs. */
async function loaderText({ packOf, first }) {
  const known = Object.entries({
    FIRST: first,
    LATE_MODULES,
    PACK_OF: Object.fromEntries(packOf),
  })
    .map(([name, value]) => `const ${name} = ${JSON.stringify(value)};`)
    .join('\n');
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['scripts/start.cjs'],
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    banner: { js: `#!/usr/bin/env node\n${known}` },
  });
  return outputFiles[0].text;
}

/** Whoever gets the bundle gets the licences of the packages in it: one text for all of them. */
function writeLicences(inputs) {
  const folders = new Set(
    inputs.flatMap((path) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []),
  );
  const texts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    const file = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${folder} has no licence file`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(root, folder, file), 'utf8').trim()}\n`;
  });
  writeFileSync(join(dist, LICENCES), texts.join(`\n${'-'.repeat(72)}\n\n`));
}

/** All of dist/ is packed, so nothing of an earlier build may stay; the helpers have their own folder. */
function removeStale(outputs) {
  for (const entry of readdirSync(dist, { withFileTypes: true })) {
    if (entry.isFile() && !outputs.has(entry.name)) rmSync(join(dist, entry.name));
  }
}

/**
 * Each folder of emulators/native is one program, or, without a `main.c`, a library that the program itself loads;
 * emulators/front becomes a part of others, on the machine it is written for.
 */
function compileHelpers() {
  const sources = join(root, 'emulators/native');
  const names = readdirSync(sources);
  mkdirSync(join(dist, 'native'), { recursive: true });
  const scratch = mkdtempSync(join(dist, 'native-'));
  try {
    if (!canCompile(scratch)) return warnOfMissing(names.filter((name) => isProgram(join(sources, name))));
    for (const name of names) {
      const folder = join(sources, name);
      if (isProgram(folder)) compile(folder, name, { flags: PROGRAM_FLAGS, scratch });
      else compile(folder, `${name}.so`, { flags: LIBRARY_FLAGS, scratch });
    }
    if (process.arch === 'x64') compileFront(scratch);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function compileFront(scratch) {
  const folder = join(root, 'emulators/front');
  const link = ['-nostdlib', '-static', '-Wl,--oformat=binary', '-Wl,--build-id=none', '-Wl,-T'];
  compile(folder, 'front', { flags: [...FRONT_FLAGS, ...link, join(folder, 'front.ld')], scratch });
}

/** A compiler without the static C library is as good as none, and unlike an error in our source not fatal. */
function canCompile(scratch) {
  const trial = join(scratch, 'trial.c');
  writeFileSync(trial, '#include <stdio.h>\nint main(void) { return puts("") < 0; }\n');
  try {
    execFileSync(C_COMPILER, ['-static', '-o', join(scratch, 'trial'), trial], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function isProgram(folder) {
  return existsSync(join(folder, 'main.c'));
}

function compile(folder, name, { flags, scratch }) {
  const made = join(scratch, name);
  const sources = readdirSync(folder).filter((file) => /\.[cS]$/.test(file));
  try {
    const paths = sources.map((file) => join(folder, file));
    execFileSync(C_COMPILER, [...flags, '-o', made, ...paths], { stdio: 'inherit' });
  } catch {
    process.stderr.write(`build: ${C_COMPILER} could not compile ${folder}\n`);
    process.exitCode = 1;
    return;
  }
  renameSync(made, join(dist, 'native', name)); // one that is running stays intact
}

function warnOfMissing(names) {
  const missing = names.filter((name) => !existsSync(join(dist, 'native', name)));
  if (missing.length === 0) return;
  process.stderr.write(
    `build: warning: ${C_COMPILER} cannot make static programs here, so ${missing.join(', ')} is not built and steps cannot run; ` +
      'install a C compiler with static libc (Debian: gcc libc6-dev) and build again\n',
  );
}
