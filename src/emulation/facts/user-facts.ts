/** Who we are: ids, the ranges of subordinate ids, and the programs that may map them. */
import { join } from 'node:path';
import { inInitialUserNamespace, readIdMap } from '../../sys/identity.ts';
import { ownUser, subordinateRanges, type SubordinateRange } from '../../sys/own-namespace.ts';
import { readXattr } from '../../sys/xattr.ts';
import { readText, statsOf } from './read-text.ts';

export interface UserFacts {
  readonly uid: number;
  readonly name: string;
  /** How many subordinate ids /etc/subuid and /etc/subgid give to this user. */
  readonly subordinateUids: number;
  readonly subordinateGids: number;
  /** What keeps newuidmap and newgidmap from mapping ranges; empty where they can. */
  readonly mapperFaults: readonly MapperFault[];
  /** False in containers of ordinary users and in `unshare -r`: root is root of that namespace only. */
  readonly initialNamespace: boolean;
  /** How many user ids there are where builds run: an ordinary user's run in a namespace of their own. */
  readonly mappedIds: number;
}

export interface MapperFault {
  readonly program: string;
  /** Undefined: it is not there. */
  readonly path: string | undefined;
}

/** Where an ordinary user's doctor, which goes on as root of a namespace, keeps what it saw before. */
export const USER_BEFORE = 'ARCH_BUILD_DOCTOR_USER';

export function userFacts(environment: Readonly<Record<string, string | undefined>>): UserFacts {
  const before = environment[USER_BEFORE];
  const idsNow = readIdMap('uid').reduce((sum, { count }) => sum + count, 0);
  if (before !== undefined) return { ...(JSON.parse(before) as UserFacts), mappedIds: idsNow };
  const user = ownUser();
  return {
    uid: user.id,
    name: user.name,
    subordinateUids: countOf(subordinateRanges(readText('/etc/subuid'), user)),
    subordinateGids: countOf(subordinateRanges(readText('/etc/subgid'), user)),
    mapperFaults: ['newuidmap', 'newgidmap'].flatMap((program) => mapperFault(program, environment['PATH'])),
    initialNamespace: inInitialUserNamespace(),
    mappedIds: idsNow,
  };
}

const countOf = (ranges: readonly SubordinateRange[]): number =>
  ranges.reduce((sum, { count }) => sum + count, 0);

function mapperFault(program: string, path: string | undefined): MapperFault[] {
  const folders = [...(path ?? '').split(':'), '/usr/bin', '/usr/sbin', '/bin'];
  const found = folders
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, program))
    .find((file) => statsOf(file)?.isFile() === true);
  if (found === undefined) return [{ program, path: undefined }];
  return mayMap(found) ? [] : [{ program, path: found }];
}

/** Setuid root, or with a file capability (Fedora, openSUSE). */
function mayMap(file: string): boolean {
  const stats = statsOf(file);
  if (stats !== undefined && (stats.mode & 0o4000) !== 0 && stats.uid === 0) return true;
  try {
    return readXattr(file, 'security.capability') !== undefined;
  } catch {
    return false;
  }
}
