/** bud.bats in pieces: the tests, what of buildah each calls, and files of them for several processors. */
import { readFileSync } from 'node:fs';

/** Commands of buildah in the suite, and those that only make images, look at them and move them. */
const PLAIN = [
  'build',
  'bud',
  'inspect',
  'push',
  'pull',
  'images',
  'tag',
  'rmi',
  'info',
  'login',
  '--version',
];
const OTHERS = [
  'from',
  'run',
  'mount',
  'umount',
  'rm',
  'manifest',
  'commit',
  'config',
  'containers',
  'prune',
  'copy',
];

export function readSuite(file) {
  const text = readFileSync(file, 'utf8');
  const [head, ...tests] = text.split(/^(?=@test )/m);
  const functions = [...text.matchAll(/^function (\w+)[^\n]*\{\n[^]*?^\}$/gm)];
  return {
    preamble: [head, ...functions.map(([source]) => source)].join('\n'),
    tests: tests.map((source) => ({
      name: /^@test "(.*)" \{$/m.exec(source)?.[1],
      source,
      plain: callsOf(source, functions).every((command) => PLAIN.includes(command)),
    })),
  };
}

/** The test's own calls, and those of the functions it uses. */
function callsOf(source, functions) {
  const used = functions.filter(([, name]) => new RegExp(`\\b${name}\\b`).test(source)).map(([body]) => body);
  const text = [source, ...used].join('\n').replaceAll('\\\n', ' ');
  const commands = [...PLAIN, ...OTHERS].join('|');
  const call = new RegExp(
    `(?:run_buildah|\\bbuildah|BUILDAH_BINARY\\})\\s+(?:\\S+\\s+)*?(${commands})\\b`,
    'g',
  );
  return [...text.matchAll(call)].map(([, command]) => command);
}
