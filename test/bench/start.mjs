/**
 * What a user waits for most often, when there is nothing to do: `node test/bench/start.mjs [ROUNDS] [DIST…]`, as root.
 *
 * Each DIST is the folder of a built program (default: ours); they take turns, so that what else the machine does is
 * the same for all. Of each command the least and the median of its wall time and of its processor time, children
 * included. $ARCH_BUILD_EMULATORS may name a folder with emulators for the last row. Nothing here is an assertion.
 *
 * Recorded on two cores with a dozen programs waiting for them, 15 rounds, ms, least (median): before the program was
 * loaded in packs with compiled code and unchanged contexts were walked by statx, and after.
 *
 *                            wall                      processor
 *   node -e 0                 19 (27)                   18 (19)
 *   --version                 65 (120)   31 (50)        62 (66)     30 (33)
 *   images                   105 (181)   59 (92)        75 (80)     40 (44)
 *   no-op build              170 (298)   60 (171)      146 (158)    60 (68)
 *   COPY of 20,000, cached   597 (1001) 310 (523)      505 (531)   259 (279)
 *   no-op --emulate          234 (390)  146 (223)      165 (176)    82 (86)
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROUNDS = Number(process.argv[2] ?? 15);
const named = process.argv.slice(3).map((folder) => resolve(folder));
const PROGRAMS = named.length > 0 ? named : [join(import.meta.dirname, '../../dist')];
const EMULATORS = process.env.ARCH_BUILD_EMULATORS;
const root = mkdtempSync(join(tmpdir(), 'start-'));

const context = (name, files) => {
  const folder = join(root, name);
  mkdirSync(folder);
  for (const [path, text] of files) {
    writeFileSync(join(folder, path), text);
    utimesSync(join(folder, path), 1e9, 1e9);
  }
  return folder;
};
const small = context('small', [
  ['Dockerfile', 'FROM scratch\nCOPY file /file\nENV A=1\n'],
  ['file', 'small\n'],
]);
const many = context('many', [
  ['Dockerfile', 'FROM scratch\nCOPY . /many\n'],
  ...Array.from({ length: 20_000 }, (_, index) => [`file-${index}`, `${index} `.repeat(600).slice(0, 4096)]),
]);

const ROWS = [
  ['node -e 0', () => ['-e', '0']],
  ['--version', (main) => [main, '--version']],
  ['images', (main, store) => [main, '--root', store, 'images']],
  ['no-op build', (main, store) => build(main, store, '--platform', small)],
  ['COPY of 20,000, cached', (main, store) => build(main, store, '--platform', many)],
  ...(EMULATORS ? [['no-op --emulate', (main, store) => build(main, store, '--emulate', small)]] : []),
];

function build(main, store, option, folder) {
  return [main, '--root', store, 'build', option, 'linux/arm64', '-t', 'it', folder];
}

/** Seconds: wall, processor. */
function time(args) {
  const script = 'TIMEFORMAT="%R %U %S"; time "$@" >&3 2>&3';
  const child = spawnSync('bash', ['-c', `{ ${script}; } 3>/dev/null`, 'bash', process.execPath, ...args], {
    encoding: 'utf8',
  });
  if (child.status !== 0) throw new Error(`${args.join(' ')}: status ${child.status}`);
  const [wall, user, system] = child.stderr.trim().split(' ').map(Number);
  return [wall, user + system];
}

function measure(command) {
  const taken = PROGRAMS.map(() => []);
  for (let round = 0; round <= ROUNDS; round += 1)
    for (const [index, folder] of PROGRAMS.entries()) {
      const args = command(join(folder, 'main.js'), join(root, `store-${index}`));
      const result = time(args);
      if (round > 0) taken[index].push(result); // the first one fills the cache
    }
  return taken;
}

const text = (values) => {
  const sorted = values.toSorted((a, b) => a - b).map((value) => String(Math.round(value * 1000)));
  return `${sorted[0]} (${sorted[Math.floor(sorted.length / 2)]})`;
};

try {
  for (const index of PROGRAMS.keys()) {
    mkdirSync(join(root, `store-${index}`), { mode: 0o700 });
    if (EMULATORS) symlinkSync(resolve(EMULATORS), join(root, `store-${index}`, 'emulators'));
  }
  for (const [title, command] of ROWS)
    for (const [index, taken] of measure(command).entries()) {
      const [wall, processor] = [0, 1].map((column) => text(taken.map((each) => each[column])));
      console.log(
        `${title.padEnd(24)} wall ${wall.padEnd(12)} processor ${processor.padEnd(12)} ${PROGRAMS[index]}`,
      );
    }
} finally {
  rmSync(root, { recursive: true, force: true });
}
