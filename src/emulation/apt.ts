/**
 * Downloads one package of a Debian archive with apt, as any user and without touching apt's own state.
 *
 * First with the lists the host has; when those do not know the version, with lists of our own in a private
 * directory: the host's mirror and keys, the suite that has the package.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { runProgram, type ProgramResult } from '../sys/run-program.ts';

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly suite: string;
  /** Debian's name of a machine that need not be this host's; this host's without it. */
  readonly architecture?: string;
}

export interface DownloadOptions {
  /** An empty directory that the caller removes. */
  readonly directory: string;
  readonly signal?: AbortSignal;
}

/** The path of the .deb. Throws TOOL_MISSING without apt, NETWORK when no configured archive serves the version. */
export async function downloadPackage(wanted: DebianPackage, options: DownloadOptions): Promise<string> {
  const config = writeConfig(options.directory, {});
  const first = await download(wanted, config, options);
  if (typeof first === 'string') return first;
  let last: ProgramResult = first;
  for (const [index, uri] of (await debianArchives(options)).entries()) {
    const own = writeConfig(join(options.directory, `lists-${index}`), { ...wanted, uri });
    last = await apt(['update'], own, options);
    const result = last.status === 0 ? await download(wanted, own, options) : last;
    if (typeof result === 'string') return result;
    last = result;
  }
  throw new ArchBuildError(
    'NETWORK',
    `no configured archive serves ${wanted.name} ${wanted.version}: ${lastLine(last)}`,
    {
      hint: 'on a host with network `arch-build emulators fetch`, then `arch-build emulators import FILE` here; or look at the apt sources',
    },
  );
}

interface PrivateLists {
  readonly uri?: string;
  readonly suite?: string;
  readonly architecture?: string;
}

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * A file given with -c is read after the host's own configuration, so it can also clear lists: hooks that would run
 * after our update belong to the host's state.
 */
function writeConfig(directory: string, { uri, suite, architecture }: PrivateLists): string {
  for (const name of ['cache/archives/partial', 'lists/partial'])
    mkdirSync(join(directory, name), { recursive: true });
  const sources = join(directory, 'sources.list');
  const lines = [
    `Dir::Cache "${directory}/cache";`,
    'Dir::Cache::pkgcache "";',
    'Dir::Cache::srcpkgcache "";',
  ];
  for (const hook of ['Pre-Invoke', 'Post-Invoke', 'Post-Invoke-Success'])
    lines.push(`#clear APT::Update::${hook};`);
  if (uri !== undefined && suite !== undefined) {
    const signed = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : '';
    writeFileSync(sources, `deb ${signed}${uri} ${suite} main\n`);
    lines.push(`Dir::State "${directory}";`, `Dir::State::lists "${directory}/lists";`);
    lines.push(
      `Dir::Etc::sourcelist "${sources}";`,
      'Dir::Etc::sourceparts "-";',
      'Acquire::Languages "none";',
    );
    if (architecture !== undefined)
      lines.push(
        `APT::Architecture "${architecture}";`,
        '#clear APT::Architectures;',
        `APT::Architectures { "${architecture}"; };`,
      );
  }
  const config = join(directory, 'apt.conf');
  writeFileSync(config, `${lines.join('\n')}\n`);
  return config;
}

async function download(
  { name, version, architecture }: DebianPackage,
  config: string,
  options: DownloadOptions,
): Promise<string | ProgramResult> {
  const of = architecture === undefined ? name : `${name}:${architecture}`;
  const result = await apt(['download', `${of}=${version}`], config, options);
  const file = readdirSync(options.directory).find((entry) => entry.endsWith('.deb'));
  return result.status === 0 && file !== undefined ? join(options.directory, file) : result;
}

const STALL_MS = 30 * 60_000;

/** Messages are for us, in English: the host's locale must not reach them. */
async function apt(
  args: readonly string[],
  config: string,
  { directory, signal }: DownloadOptions,
): Promise<ProgramResult> {
  return runProgram('apt-get', ['-q', '-c', config, ...args], {
    cwd: directory,
    env: { ...ownEnvironment(), LC_ALL: 'C' },
    timeoutMs: STALL_MS,
    ...(signal === undefined ? {} : { signal }),
  });
}

const ownEnvironment = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );

/** Where this host gets Debian from, as apt itself understands its sources. */
async function debianArchives({ signal }: DownloadOptions): Promise<string[]> {
  const args = ['indextargets', '--format', '$(REPO_URI) $(COMPONENT)', 'Identifier: Packages'];
  const { stdout } = await runProgram('apt-get', args, signal === undefined ? {} : { signal });
  const lines = stdout.split('\n').map((line) => line.split(' '));
  const main = lines.filter(([, component]) => component === 'main').map(([uri = '']) => uri);
  return [...new Set(main.filter((uri) => /\/debian\/?$/.test(uri)))];
}

function lastLine({ stderr, stdout }: ProgramResult): string {
  const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => /^[EW]: /.test(line));
  return (lines.at(-1) ?? 'apt-get says nothing').slice(3);
}
