/** USER and --chown: names and numbers to ids, from the text of a rootfs's own passwd and group files. Pure. */
import { ArchBuildError } from '../errors.ts';

export interface Accounts {
  /** Content of /etc/passwd and /etc/group; empty when the rootfs has none. */
  readonly passwd: string;
  readonly group: string;
}

export interface UserIds {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, without duplicates. */
  readonly groups: readonly number[];
  /** From passwd; `/` for a user it does not know. */
  readonly home: string;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const MAX_ID = 0xfffffffe;

/**
 * `user`, `uid`, `user:group`, `uid:gid` or nothing (root). A number need not exist: unknown uids get group 0. With an
 * explicit group it is the only supplementary one, too: a program cannot get rid of it. Throws USER_UNKNOWN for a name nobody has.
 */
export function lookUpUser(text: string, accounts: Accounts): UserIds {
  const [userPart = '', groupPart] = split(text);
  const entries = parsePasswd(accounts.passwd);
  const entry = findUser(userPart === '' ? '0' : userPart, entries);
  const uid = entry?.uid ?? requireNumber(userPart === '' ? '0' : userPart, 'user');
  const home = entry?.home === undefined || entry.home === '' ? '/' : entry.home;
  if (groupPart !== undefined) {
    const gid = lookUpGroup(groupPart, accounts);
    return { uid, gid, groups: [gid], home };
  }
  const groups = parseGroup(accounts.group).filter(({ members }) => members.includes(entry?.name ?? ''));
  const gid = entry?.gid ?? 0;
  return { uid, gid, groups: [...new Set([gid, ...groups.map((group) => group.gid)])], home };
}

/** `--chown`: a lone name takes its primary group, a lone number is both (it need not exist). */
export function lookUpOwner(text: string, accounts: Accounts): { uid: number; gid: number } {
  const [userPart = '', groupPart] = split(text);
  const number = parseId(userPart);
  const entry = number === undefined ? findUser(userPart, parsePasswd(accounts.passwd)) : undefined;
  const uid = number ?? entry?.uid ?? requireNumber(userPart, 'user');
  if (groupPart === undefined) return { uid, gid: entry?.gid ?? uid };
  return { uid, gid: lookUpGroup(groupPart, accounts) };
}

function split(text: string): string[] {
  const parts = text.split(':');
  if (parts.length > 2)
    throw new ArchBuildError('USER_UNKNOWN', `not a user or user:group: ${JSON.stringify(text)}`);
  return parts;
}

function findUser(text: string, entries: readonly PasswdEntry[]): PasswdEntry | undefined {
  const number = parseId(text);
  return entries.find((entry) => (number === undefined ? entry.name === text : entry.uid === number));
}

export function lookUpGroup(text: string, accounts: Accounts): number {
  const number = parseId(text);
  if (number !== undefined) return number;
  return parseGroup(accounts.group).find(({ name }) => name === text)?.gid ?? requireNumber(text, 'group');
}

function requireNumber(text: string, what: 'user' | 'group'): number {
  const number = parseId(text);
  if (number !== undefined) return number;
  throw new ArchBuildError('USER_UNKNOWN', `the image has no ${what} ${JSON.stringify(text)}`, {
    hint: `create it in an earlier RUN, or write its number; the image's /etc/${what === 'user' ? 'passwd' : 'group'} decides`,
  });
}

function parseId(text: string): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= MAX_ID ? id : undefined;
}

function parsePasswd(text: string): PasswdEntry[] {
  return rows(text).flatMap(([name = '', , uid = '', gid = '', , home = '']) => {
    const [user, group] = [parseId(uid), parseId(gid)];
    return user === undefined || group === undefined ? [] : [{ name, uid: user, gid: group, home }];
  });
}

function parseGroup(text: string): GroupEntry[] {
  return rows(text).flatMap(([name = '', , gid = '', members = '']) => {
    const group = parseId(gid);
    return group === undefined
      ? []
      : [{ name, gid: group, members: members.split(',').filter((m) => m !== '') }];
  });
}

const rows = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.trimEnd().split(':'));
