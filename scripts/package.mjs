/**
 * package.mjs (`npm run package`): builds the program and writes it, with an official Node, to an archive for hosts that
 * have neither Node nor a network. Arguments go to `arch-build package`; --node names another Node.
 *
 * The Node is the one pinned in scripts/node.json, from the npm registry or npm's cache; it stays in .cache/.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pinned = JSON.parse(readFileSync(join(root, 'scripts/node.json'), 'utf8'));
const args = process.argv.slice(2);

execFileSync(process.execPath, [join(root, 'scripts/build.mjs')], { stdio: 'inherit' });
const node = args.some((word) => /^--node(=|$)/.test(word)) ? [] : ['--node', pinnedNode()];
if (node.length > 0) execFileSync(node[1], [join(root, 'scripts/code-cache.mjs')], { stdio: 'inherit' });
execFileSync(process.execPath, [join(root, 'dist/main.js'), 'package', ...args, ...node], {
  stdio: 'inherit',
});

function pinnedNode() {
  const folder = join(root, '.cache', `${pinned.package}-${pinned.version}`);
  const program = join(folder, 'bin/node');
  if (existsSync(program)) return program;
  mkdirSync(join(root, '.cache'), { recursive: true });
  const scratch = mkdtempSync(join(root, '.cache/node-'));
  try {
    const archive = fetchNode(scratch);
    execFileSync('tar', ['-xzf', archive, '-C', scratch, 'package/bin/node', 'package/LICENSE']);
    renameSync(join(scratch, 'package'), folder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return program;
}

function fetchNode(folder) {
  const what = `${pinned.package}@${pinned.version}`;
  const npm = ['pack', '--silent', '--prefer-offline', '--pack-destination', folder, what];
  const name = execFileSync('npm', npm, {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const archive = join(folder, name.trim());
  const integrity = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (integrity === pinned.integrity) return archive;
  process.stderr.write(`package: ${what} is ${integrity}, not what scripts/node.json says\n`);
  return process.exit(1);
}
