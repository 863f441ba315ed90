/**
 * static.mjs (`npm run static`): what can be said about the source without running it: types, lint, format, unused
 * code. The checks know nothing of each other, so as many run at a time as there are processors; each prints what it
 * has found when it has ended, and all of them run whatever the others say.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The longest first. */
const CHECKS = [
  ['eslint', '--max-warnings', '0', '.'],
  ['tsc', '--noEmit', '-p', 'test'],
  ['prettier', '--check', '--log-level', 'warn', '.'],
  ['tsc', '--noEmit'],
  ['knip'],
];

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const waiting = [...CHECKS];
await Promise.all(Array.from({ length: availableParallelism() }, work));

async function work() {
  for (let words = waiting.shift(); words !== undefined; words = waiting.shift()) await check(words);
}

async function check([name, ...args]) {
  const child = spawn(join(root, 'node_modules/.bin', name), args, { cwd: root, stdio: 'pipe' });
  const chunks = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk));
  const [status] = await once(child, 'close');
  process.stdout.write(Buffer.concat(chunks));
  if (status === 0) return;
  process.stderr.write(`static: ${[name, ...args].join(' ')} is not content\n`);
  process.exitCode = 1;
}
