#!/usr/bin/env node
/**
 * bud-bats.mjs [--only REGEXP] [--result FILE] [--recheck]: buildah's own tests of `buildah build`, with arch-build in
 * its place.
 *
 * The suite comes out of Debian's source package, as the other conformance data does; test/conformance/bud stands in
 * for the programs, the registries and the web sites it uses, and its deltas.txt says which tests are skipped and why,
 * and where a test runs with other words in it. With --recheck none is skipped: what passes then has to leave that list.
 * Prints `N passed, N failed, N skipped` and writes one line per test to FILE. With --platform only stand-ins for those
 * platforms are made, with --image REGEXP only those with such a name; --jobs says how many tests run at the same time
 * (default: processors, at most 4).
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readDeltas } from '../test/conformance/bud/deltas.mjs';
import { readSuite } from '../test/conformance/bud/world/suite.mjs';
import { openWorld } from '../test/conformance/bud/world/world.mjs';

const repository = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    result: { type: 'string' },
    source: { type: 'string' },
    bases: { type: 'string' },
    platform: { type: 'string', multiple: true },
    image: { type: 'string' },
    jobs: { type: 'string' },
    recheck: { type: 'boolean' },
  },
});
const source =
  values.source ?? join(repository, '.cache/conformance/src_golang-github-containers-buildah_trixie/orig');
const shims = join(repository, 'test/conformance/bud');
// in lower case, because the tests make image names of paths; short, because podman refuses long ones
const scratch = join(tmpdir(), `bud-${randomBytes(4).toString('hex')}`);
mkdirSync(scratch);
// every test sees through its own files only; the images of podman, which some call, are read by other users
spawnSync('chmod', ['711', scratch]);

try {
  process.exitCode = await main();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function main() {
  if (!existsSync(source)) throw new Error(`${source} is not there: run the conformance tests once`);
  const tests = join(scratch, 'tests');
  cpSync(join(source, 'tests'), tests, { recursive: true, verbatimSymlinks: true });
  shortenWaits(join(tests, 'helpers.bash'));
  const deltas = readDeltas(join(shims, 'deltas.txt'));
  for (const { file, theirs, ours } of deltas.files) {
    const path = join(tests, 'bud', file);
    writeFileSync(path, inOurWords(file, readFileSync(path, 'utf8'), [{ theirs, ours }]));
  }
  const world = await openWorld({
    scratch,
    source,
    bases: values.bases ?? join(repository, '.cache/e2e'),
    platforms: values.platform,
    images: new RegExp(values.image ?? ''),
  });
  try {
    const suite = readSuite(join(tests, 'bud.bats'));
    const results = await Promise.all(splitSuite(suite, deltas).map((path) => runBats(path, world)));
    return report(results.flat(), suite.tests);
  } finally {
    world.close();
  }
}

function report(outcomes, tests) {
  const results = tests.flatMap(({ name, plain }) => {
    const outcome = outcomes.find((each) => each.name.trimEnd() === name.trimEnd());
    return outcome === undefined ? [] : [{ ...outcome, name, plain }];
  });
  const count = (state, among = results) => among.filter((result) => result.state === state).length;
  const lines = results.map(({ name, state, why }) => `${state} ${name}${why ? ` # ${why}` : ''}`);
  const plain = results.filter((result) => result.plain);
  const summary = [
    `bud.bats: ${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`,
    `of the ${plain.length} that only build, look at images and move them: ${count('passed', plain)} passed`,
  ];
  if (values.result !== undefined)
    writeFileSync(values.result, [...summary.map((line) => `# ${line}`), ...lines, ''].join('\n'));
  console.log(summary.join('\n'));
  return count('failed') === 0 ? 0 : 1;
}

/** They wait for registries to come back. */
function shortenWaits(helpers) {
  writeFileSync(helpers, readFileSync(helpers, 'utf8').replace(/\bsleep 5\b/g, 'sleep 0'));
}

/** The tests dealt out to files, one per job; a `skip` becomes the first line of its test. */
function splitSuite({ preamble, tests }, { skips, wordings }) {
  for (const name of [...skips.keys(), ...wordings.keys()])
    if (!tests.some((test) => test.name === name))
      throw new Error(`deltas.txt lists ${name}, which is no test`);
  const count = Number(values.jobs ?? Math.min(4, availableParallelism()));
  const shards = Array.from({ length: count }, () => []);
  tests.forEach(({ name, source: test }, index) => {
    const reason = values.recheck ? undefined : skips.get(name);
    const worded = inOurWords(name, test, wordings.get(name));
    shards[index % count].push(
      reason === undefined ? worded : worded.replace('\n', `\n  skip ${JSON.stringify(reason)}\n`),
    );
  });
  return shards.map((shard, index) => {
    const path = join(scratch, `tests/bud-${index}.bats`);
    writeFileSync(path, [preamble, ...shard].join('\n'));
    return path;
  });
}

/** A test or a file of one, with our words in the place of theirs. */
function inOurWords(name, text, wordings = []) {
  return wordings.reduce((changed, { theirs, ours }) => {
    if (!changed.includes(theirs)) throw new Error(`deltas.txt: ${name} does not have ${theirs}`);
    return changed.replaceAll(theirs, () => ours);
  }, text);
}

async function runBats(path, world) {
  const only = values.only === undefined ? [] : ['-f', values.only];
  const [program, ...args] = world.command(['bats', '--formatter', 'tap', ...only, path]);
  const child = spawn(program, args, {
    env: {
      ...process.env,
      ...world.environment,
      BUILDAH_BINARY: join(shims, 'buildah.mjs'),
      COPY_BINARY: join(shims, 'copy.mjs'),
      PODMAN_BINARY: join(shims, 'podman.mjs'),
      CI_DESIRED_RUNTIME: 'crun',
      STORAGE_DRIVER: 'overlay',
      TMPDIR: scratch,
      _BUILDAH_IMAGE_CACHEDIR: join(scratch, 'cache'),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const results = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const [, not, name, , why] = /^(not )?ok \d+ (.*?)( # skip(?:ped)? ?(.*))?$/.exec(line) ?? [];
    if (name !== undefined)
      results.push({ name, state: not ? 'failed' : why === undefined ? 'passed' : 'skipped', why });
    if (name !== undefined || line.startsWith('#')) console.error(line);
  }
  return results;
}
