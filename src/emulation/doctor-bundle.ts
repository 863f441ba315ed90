/**
 * doctor --report: one document to attach to a report of a bug. It has what the checks saw, and nothing that is
 * anybody's secret: of the environment only names, of mounts neither sources nor their own options, no registry
 * credentials; home directory, user and host name are replaced.
 */
import { homedir, hostname, userInfo } from 'node:os';
import type { DoctorReport } from './doctor.ts';
import type { HostFacts } from './facts/host-facts.ts';
import { parseMountinfo } from './facts/mounts.ts';
import { USER_BEFORE } from './facts/user-facts.ts';
import { readText } from './facts/read-text.ts';

export interface BundleOptions {
  readonly version: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What the document has, for telling the user. */
export const BUNDLE_CONTENT =
  'versions, the report, kernel configuration and switches, mounts, the binfmt_misc table, id maps, limits, names (not values) of environment variables; home directory, user and host name are replaced';

/** A JSON document with a newline at its end. */
export function bundleText(
  report: DoctorReport,
  facts: HostFacts,
  { version, environment }: BundleOptions,
): string {
  const document = {
    format: 1,
    versions: { archBuild: version, node: process.version, kernel: facts.kernel, machine: facts.machine },
    report,
    kernel: {
      config: Object.fromEntries(facts.config),
      sysctls: Object.fromEntries(facts.sysctls),
      features: Object.fromEntries(facts.features),
      fileSystems: [...facts.fileSystems].filter((name) => name !== '' && name !== 'nodev'),
    },
    mounts: parseMountinfo(readText('/proc/self/mountinfo')),
    binfmt: { ...facts.binfmt, entries: facts.binfmt.entries.map(printable) },
    user: facts.user,
    idMaps: { uid: readText('/proc/self/uid_map'), gid: readText('/proc/self/gid_map') },
    process: facts.process,
    capabilities: readText('/proc/self/status')
      .split('\n')
      .filter((line) => line.startsWith('Cap')),
    surroundings: facts.surroundings,
    trials: facts.trials,
    store: facts.store,
    platforms: facts.platforms.map(({ platform, native, emulators, trial }) => ({
      platform,
      native,
      emulators,
      trial,
    })),
    environmentNames: Object.keys(environment)
      .filter((name) => name !== USER_BEFORE)
      .sort(),
  };
  return `${anonymous(JSON.stringify(document, null, 2), facts)}\n`;
}

function printable(entry: HostFacts['binfmt']['entries'][number]): object {
  const { match } = entry;
  if (match.kind !== 'magic') return entry;
  const mask = match.mask?.toString('hex');
  return { ...entry, match: { ...match, magic: match.magic.toString('hex'), mask } };
}

function anonymous(text: string, facts: HostFacts): string {
  const names: readonly (readonly [name: string, instead: string])[] = [
    [homedir(), '/home/USER'],
    [userName(), 'USER'],
    [facts.user.name, 'USER'],
    [hostname(), 'HOST'],
  ];
  return names.reduce((before, [name, instead]) => replaceWord(before, name, instead), text);
}

/** Names that tell nothing, and would be found everywhere. */
const COMMON = new Set(['', '/', 'root', '/root', 'localhost', 'linux', 'user', 'build']);

function replaceWord(text: string, name: string, instead: string): string {
  if (COMMON.has(name.toLowerCase())) return text;
  const escaped = name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  return text.replaceAll(new RegExp(`(?<![\\w-])${escaped}(?![\\w-])`, 'g'), instead);
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}
