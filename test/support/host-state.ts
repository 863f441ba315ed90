/**
 * What a run could leave behind on the host, taken before and after it and compared.
 *
 * The machine goes on living in between, so only what can be the run's is compared: the whole mount table and the
 * whole binfmt_misc registry, those processes that belong to the test's directory or environment or descend from the
 * test, and temporary directories (of the system's those named after us: others come and go with other programs). Test
 * files that run at the same time mount only below directories of their own (own-temporary.ts): these are theirs.
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

/** What own-temporary.ts calls its directories: short, because podman refuses long paths and sockets cannot have them. */
const OWN_TEMPORARY = /\/t-[0-9a-f]{6}(?=[/ ])/;

export interface HostState {
  /** Lines of /proc/mounts. */
  readonly mounts: readonly string[];
  /** Entries and `status` by name, with their content. */
  readonly binfmt: Readonly<Record<string, string>> | 'not mounted';
  /** `PID COMMAND LINE`, of the processes that are the test's. */
  readonly processes: readonly string[];
  /** Paths of the entries of temporary directories. */
  readonly temporary: readonly string[];
}

export interface HostStateOptions {
  /** The test's own directory: what names it, works in it or has it mounted is the test's. */
  readonly directory: string;
  /** Further directories that have to be empty of what was not there before, such as `tmp/` of the store. */
  readonly temporaryDirectories?: readonly string[];
}

/** Of a `Cli` of cli.ts, with its store's sessions and its $TMPDIR. */
export function captureCliState(cli: {
  readonly scratch: { readonly directory: string };
  readonly root: string;
  readonly temporary: string;
}): HostState {
  return captureHostState({
    directory: cli.scratch.directory,
    temporaryDirectories: [join(cli.root, 'tmp'), cli.temporary],
  });
}

export function captureHostState({ directory, temporaryDirectories = [] }: HostStateOptions): HostState {
  return {
    mounts: mountTable(),
    binfmt: binfmtRegistry(),
    processes: processesOf(directory),
    temporary: [...ourEntries(tmpdir()), ...temporaryDirectories.flatMap(entries)],
  };
}

/** Its lines, without those of test files that run at the same time. */
export function mountTable(table: '/proc/mounts' | '/proc/self/mountinfo' = '/proc/mounts'): string[] {
  const lines = readFileSync(table, 'utf8').trimEnd().split('\n');
  const own = realpathSync(tmpdir());
  return lines.filter((line) => !OWN_TEMPORARY.test(line) || line.includes(own));
}

/** What is there afterwards and was not before, or is gone, one line each; empty when the host is as it was. */
export function diffHostState(before: HostState, after: HostState): string[] {
  return [
    ...diffLines('mount', before.mounts, after.mounts),
    ...diffLines('binfmt entry', binfmtLines(before), binfmtLines(after)),
    // a process of before may end at any time
    ...added(before.processes, after.processes).map((line) => `process appeared: ${line}`),
    ...diffLines('temporary file', before.temporary, after.temporary),
  ];
}

function diffLines(what: string, before: readonly string[], after: readonly string[]): string[] {
  return [
    ...added(before, after).map((line) => `${what} appeared: ${line}`),
    ...added(after, before).map((line) => `${what} disappeared: ${line}`),
  ];
}

/** With multiplicity: the same line may stand in a mount table twice. */
function added(before: readonly string[], after: readonly string[]): string[] {
  const known = new Map<string, number>();
  for (const line of before) known.set(line, (known.get(line) ?? 0) + 1);
  return after.filter((line) => {
    const left = known.get(line) ?? 0;
    if (left > 0) known.set(line, left - 1);
    return left === 0;
  });
}

const REGISTRY = '/proc/sys/fs/binfmt_misc';

function binfmtRegistry(): HostState['binfmt'] {
  const names = entries(REGISTRY)
    .map((path) => basename(path))
    .filter((name) => name !== 'register');
  if (!names.includes('status')) return 'not mounted';
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(REGISTRY, name), 'utf8')]));
}

function binfmtLines({ binfmt }: HostState): string[] {
  if (binfmt === 'not mounted') return [binfmt];
  return Object.entries(binfmt).map(([name, content]) => `${name}: ${content.trim().replaceAll('\n', ', ')}`);
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory).map((name) => join(directory, name));
  } catch {
    return []; // not there yet
  }
}

function ourEntries(directory: string): string[] {
  return entries(directory).filter((path) => path.startsWith(join(directory, 'arch-build')));
}

function processesOf(directory: string): string[] {
  const parents = new Map(pids().map((pid) => [pid, parentOf(pid)]));
  const isDescendant = (pid: number): boolean => {
    for (let each = parents.get(pid); each !== undefined && each > 1; each = parents.get(each)) {
      if (each === process.pid) return true;
    }
    return false;
  };
  return [...parents.keys()]
    .filter((pid) => pid !== process.pid && (isDescendant(pid) || belongsTo(pid, directory)))
    .map((pid) => `${String(pid)} ${commandLine(pid)}`)
    .filter((line) => !line.includes('esbuild --service'));
}

function pids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Undefined for one that has ended meanwhile. The fourth field of `stat`, after a name in parentheses. */
function parentOf(pid: number): number | undefined {
  const stat = readProcess(pid, 'stat');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[1] === undefined ? undefined : Number(fields[1]);
}

/** Zombies have none of these: they are counted as descendants only. */
function belongsTo(pid: number, directory: string): boolean {
  const places = ['cmdline', 'environ', 'mountinfo'].map((name) => readProcess(pid, name));
  return [...places, link(pid, 'cwd'), link(pid, 'root')].some((place) => place.includes(directory));
}

/** A program that is not ours could name anything, so a process without a command line shows its name. */
function commandLine(pid: number): string {
  return readProcess(pid, 'cmdline').replaceAll('\0', ' ').trim() || `[${readProcess(pid, 'comm').trim()}]`;
}

function readProcess(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${String(pid)}/${name}`, 'latin1');
  } catch {
    return ''; // ended, or not ours to read
  }
}

function link(pid: number, name: string): string {
  try {
    return readlinkSync(`/proc/${String(pid)}/${name}`);
  } catch {
    return '';
  }
}
