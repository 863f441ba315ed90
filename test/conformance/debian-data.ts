/**
 * Test data that others wrote, out of Debian packages: downloaded once into `.cache/conformance` and unpacked there.
 *
 * apt runs on a private state of its own, with the mirror this machine is configured for: nothing is installed, root
 * is not needed, and any release of the mirror can be read. Whatever cannot be fetched is an error, never a skip.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const CACHE = fileURLToPath(new URL('../../.cache/conformance', import.meta.url));
const run = promisify(execFile);

/** The unpacked files of a binary package (`…/usr/share/gocode/src/…`). `suite` defaults to this machine's release. */
export function debianPackage(name: string, suite?: string): Promise<string> {
  return once(`${name}${suite === undefined ? '' : `_${suite}`}`, async (folder) => {
    const download = await aptFolder(folder);
    await apt(await aptState(suite ?? (await hostSuite())), ['download', name], download);
    const [file] = (await readdir(download)).filter((entry) => entry.endsWith('.deb'));
    if (file === undefined) throw new Error(`apt-get downloaded no ${name}`);
    await run('dpkg-deb', ['-x', join(download, file), folder]);
    await rm(download, { recursive: true });
  });
}

/**
 * The unpacked tarballs of a source package, one folder each, named by what follows the version in the tarball's
 * name: `orig`, `orig-buildkit`, `debian`. A tarball's own top folder, when it has just one, is left out.
 */
export function debianSource(name: string, suite?: string): Promise<string> {
  return once(`src_${name}${suite === undefined ? '' : `_${suite}`}`, async (folder) => {
    const download = await aptFolder(folder);
    const state = await aptState(suite ?? (await hostSuite()));
    // A mirror may lack the .dsc and still have the tarballs: what counts is what arrived.
    const failure = await apt(state, ['source', '--download-only', name], download).catch(
      (error: unknown) => error,
    );
    const tarballs = (await readdir(download)).filter((entry) => /\.tar\.\w+$/.test(entry));
    if (!tarballs.some((entry) => entry.includes('.orig'))) {
      throw new Error(`apt-get downloaded no source of ${name}`, { cause: failure });
    }
    for (const tarball of tarballs) {
      const part = /\.(orig[\w-]*|debian)\.tar\.\w+$/.exec(tarball)?.[1] ?? 'native';
      await mkdir(join(folder, part));
      await run('tar', ['-xf', join(download, tarball), '-C', join(folder, part), '--no-same-owner']);
      await liftSingleFolder(join(folder, part));
    }
    await rm(download, { recursive: true });
  });
}

/** Runs `fill` on a new folder and shows it under its final name only when it is complete. */
async function once(key: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const target = join(CACHE, key);
  if (existsSync(target)) return target;
  await mkdir(CACHE, { recursive: true });
  const staged = await mkdtemp(join(CACHE, '.staged-'));
  try {
    await fill(staged);
    // Two test files may fill the same folder: the second finds the first one's, which is as good.
    await rename(staged, target).catch((error: unknown) => {
      if (!existsSync(target)) throw error;
    });
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
  return target;
}

async function aptFolder(folder: string): Promise<string> {
  const download = join(folder, '.download');
  await mkdir(download);
  return download;
}

/** A private apt state whose only source is the machine's own mirror at `suite`; returns apt's options. */
async function aptState(suite: string): Promise<string[]> {
  const root = join(CACHE, `apt_${suite}`);
  const options = [
    `Dir::State=${root}`,
    `Dir::Cache=${root}`,
    `Dir::Etc::SourceList=${root}/sources.list`,
    `Dir::Etc::SourceParts=${root}/none`,
    'APT::Sandbox::User=',
    'Acquire::Languages=none',
    'Acquire::Retries=3',
  ].flatMap((option) => ['-o', option]);
  await mkdir(join(root, 'lists', 'partial'), { recursive: true });
  await mkdir(join(root, 'archives', 'partial'), { recursive: true });
  if (!existsSync(join(root, 'updated'))) {
    const source = `[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${await mirror()} ${suite} main`;
    await writeFile(join(root, 'sources.list'), `deb ${source}\ndeb-src ${source}\n`);
    await apt(options, ['-o', 'APT::Update::Error-Mode=any', 'update'], root);
    await writeFile(join(root, 'updated'), '');
  }
  return options;
}

/** apt's own locks fail at once instead of waiting, so all calls queue at one of ours. */
async function apt(options: readonly string[], words: readonly string[], cwd: string): Promise<void> {
  await run('flock', [join(CACHE, 'apt.lock'), 'apt-get', '-qq', ...options, ...words], {
    cwd,
    maxBuffer: 2 ** 24,
  });
}

async function hostSuite(): Promise<string> {
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1];
  if (suite === undefined)
    throw new Error('/etc/os-release names no release: this data comes from a Debian mirror');
  return suite;
}

async function mirror(): Promise<string> {
  const { stdout } = await run('apt-get', [
    'indextargets',
    '--format',
    '$(RELEASE)|$(REPO_URI)',
    'Created-By: Packages',
    'Component: main',
  ]);
  const suite = await hostSuite();
  const line = stdout.split('\n').find((text) => text.startsWith(`${suite}|`));
  if (line === undefined) throw new Error(`apt has no source for ${suite} main`);
  return line.slice(suite.length + 1);
}

async function liftSingleFolder(folder: string): Promise<void> {
  const [only, ...others] = await readdir(folder);
  if (only === undefined || others.length > 0) return;
  const lifted = `${folder}.lifted`;
  await rename(join(folder, only), lifted);
  await rm(folder, { recursive: true });
  await rename(lifted, folder);
}
