/**
 * Rootless: the whole program as root of a user namespace of its own, in which the user's subordinate ids are the ids
 * of images. The process replaces itself (execve), so signals, terminal and exit status need nobody in between.
 */
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { isRoot } from './identity.ts';
import { replaceProcess } from './libc.ts';
import { nativeProgram } from './native.ts';

/**
 * Returns at once for root. For anybody else it does not return: this program starts again, with the same words and
 * these variables besides, as root of a new user namespace. What cannot be is said by the helper, with status 3.
 */
export function enterOwnNamespace(variables: Readonly<Record<string, string>>): void {
  if (isRoot()) return;
  const helper = nativeProgram('namespace');
  const user = ownUser();
  const maps = [
    mapWords(user.id, subordinateRanges(readText('/etc/subuid'), user)),
    mapWords(process.getgid?.() ?? 0, subordinateRanges(readText('/etc/subgid'), user)),
  ];
  replaceProcess(helper, [helper, ...maps, ...ownCommand()], { ...process.env, ...variables });
}

export interface OwnUser {
  /** A user without a line in /etc/passwd has a number only. */
  readonly name: string;
  readonly id: number;
}

export function ownUser(): OwnUser {
  const id = process.getuid?.() ?? 0;
  try {
    return { name: userInfo().username, id };
  } catch {
    return { name: String(id), id };
  }
}

export interface SubordinateRange {
  readonly start: number;
  readonly count: number;
}

/** Lines `owner:start:count` of the user, who is named or numbered; see subuid(5). */
export function subordinateRanges(text: string, user: OwnUser): SubordinateRange[] {
  return text.split('\n').flatMap((line) => {
    const [owner, start = '', count = ''] = line.split(':');
    const isOurs = owner === user.name || owner === String(user.id);
    if (!isOurs || !/^\d+$/.test(start) || !/^[1-9]\d*$/.test(count.trim())) return [];
    return [{ start: Number(start), count: Number(count) }];
  });
}

/** The caller is 0, the subordinate ids follow from 1 on: the words newuidmap(1) takes. */
export function mapWords(own: number, ranges: readonly SubordinateRange[]): string {
  const words = [`0 ${own} 1`];
  let next = 1;
  for (const { start, count } of ranges) {
    words.push(`${next} ${start} ${count}`);
    next += count;
  }
  return words.join(' ');
}

/** How to start ourselves: the packed release has a launcher, which knows the loader and libraries of its Node. */
function ownCommand(): string[] {
  const launcher = process.env['ARCH_BUILD_LAUNCHER'];
  const program = launcher ? [launcher] : [process.execPath, ...process.execArgv, process.argv[1] ?? ''];
  return [...program, ...process.argv.slice(2)];
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
