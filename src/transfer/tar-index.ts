/**
 * Where everything is in a tar file: headers are read, data is skipped. Extended headers (PAX, GNU long names) are
 * honoured; sparse files count as `other`, because their data is not what it seems.
 */
import { posix } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { Header } from 'tar/header';
import { Pax } from 'tar/pax';
import { ArchBuildError } from '../errors.ts';
import { beyondLimit, limitOf } from '../oci/limits.ts';

export type TarMember =
  | { readonly type: 'file'; readonly offset: number; readonly size: number }
  | { readonly type: 'directory' }
  /** `target` is a path in the archive, already resolved against the link's directory. */
  | { readonly type: 'link'; readonly target: string }
  /** Nobody may read it: a name that several files have, or a link out of the archive. */
  | { readonly type: 'doubtful'; readonly why: string }
  | { readonly type: 'other' };

const BLOCK = 512;

/**
 * The members by normalised path (no `./`, no trailing `/`); of a tar within the file, their places in the file. Throws ARCHIVE_INVALID for what is not a tar, is cut
 * off, or has a file outside of itself.
 */
export async function indexTar(
  file: FileHandle,
  within?: { readonly offset: number; readonly size: number },
): Promise<ReadonlyMap<string, TarMember>> {
  const end = within === undefined ? (await file.stat()).size : within.offset + within.size;
  const members = new Map<string, TarMember>();
  let extension: Extension = {};
  let position = within?.offset ?? 0;
  while (position < end) {
    const header = decode(await readAt(file, position, BLOCK), extension);
    if (header === undefined) break; // the first null block ends the archive
    const offset = position + BLOCK;
    const { size, type } = header;
    if (offset + size > end) throw invalidTar('it is cut off');
    const extend = EXTENSIONS.get(type);
    if (extend === undefined) {
      addMember(members, memberOf(header, { offset, size }));
      extension = {};
    } else {
      if (size > limitOf('header-bytes'))
        throw beyondLimit('ARCHIVE_INVALID', 'header-bytes', `an extended header has ${size} bytes`);
      extension = { ...extension, ...extend((await readAt(file, offset, size)).toString('utf8')) };
    }
    position = offset + Math.ceil(size / BLOCK) * BLOCK;
  }
  return members;
}

interface Extension {
  readonly path?: string;
  readonly linkpath?: string;
  readonly size?: number;
}

type Decoded = Extension & { readonly path: string; readonly size: number; readonly type: string };

function decode(block: Buffer, extension: Extension): Decoded | undefined {
  let header: Header;
  try {
    header = new Header(block, 0, extension);
  } catch (cause) {
    throw invalidTar('a header has a number out of range', cause); // base-256 beyond 2^53
  }
  if (header.nullBlock) return undefined;
  if (!header.cksumValid) throw invalidTar('a header is damaged');
  const isMember = !EXTENSIONS.has(header.type);
  const path = (isMember ? extension.path : undefined) ?? header.path ?? '';
  const linkpath = extension.linkpath ?? header.linkpath ?? '';
  return { path, linkpath, size: header.size ?? 0, type: header.type };
}

/** How the text of an extended header is read. A global header has nothing to say about one file. */
const EXTENSIONS: ReadonlyMap<string, (text: string) => Extension> = new Map([
  ['ExtendedHeader', parsePax],
  ['OldExtendedHeader', parsePax],
  ['GlobalExtendedHeader', () => ({})],
  ['NextFileHasLongPath', (text: string) => ({ path: untilNul(text) })],
  ['OldGnuLongPath', (text: string) => ({ path: untilNul(text) })],
  ['NextFileHasLongLinkpath', (text: string) => ({ linkpath: untilNul(text) })],
]);

function parsePax(text: string): Extension {
  const { path, linkpath, size } = Pax.parse(text);
  return {
    ...(path === undefined ? {} : { path }),
    ...(linkpath === undefined ? {} : { linkpath }),
    ...(size === undefined ? {} : { size }),
  };
}

const untilNul = (text: string): string => text.replace(/\0.*$/s, '');

function addMember(
  members: Map<string, TarMember>,
  { path, member }: { path: string; member: TarMember },
): void {
  if (path === '' && member.type === 'directory') return; // `./`
  const known = members.get(path);
  const isAgain = known !== undefined && !(known.type === 'directory' && member.type === 'directory');
  members.set(path, isAgain ? { type: 'doubtful', why: `${quote(path)} is there twice` } : member);
  const limit = limitOf('archive-files');
  if (members.size > limit)
    throw beyondLimit('ARCHIVE_INVALID', 'archive-files', `the archive has more than ${limit} files`);
}

function memberOf(
  header: Decoded,
  data: { offset: number; size: number },
): { path: string; member: TarMember } {
  const path = insidePath(header.path);
  switch (header.type) {
    case 'File':
    case 'OldFile':
    case 'ContiguousFile':
      return { path, member: { type: 'file', ...data } };
    case 'Directory':
      return { path, member: { type: 'directory' } };
    case 'SymbolicLink':
      return { path, member: linkTo(header.linkpath ?? '', posix.dirname(path)) };
    case 'Link':
      return { path, member: linkTo(header.linkpath ?? '', '') };
    default:
      return { path, member: { type: 'other' } };
  }
}

function linkTo(path: string, directory: string): TarMember {
  const target = within(path, directory);
  return target === undefined ? { type: 'doubtful', why: outside(path) } : { type: 'link', target };
}

const outside = (path: string): string => `${quote(path)} is not a path in the archive`;

/** Throws for a path that leads out of the archive. */
function insidePath(path: string): string {
  const found = within(path, '');
  if (found === undefined) throw invalidTar(outside(path));
  return found;
}

/** The path without `.` and `..`, seen from the top of the archive; undefined for one that leads out of it. */
function within(path: string, directory: string): string | undefined {
  const joined = posix.normalize(posix.join(directory, path)).replace(/\/$/, '');
  const leadsOut = path.startsWith('/') || joined === '..' || joined.startsWith('../');
  if (path === '' || leadsOut || path.includes('\0')) return undefined;
  return joined === '.' ? '' : joined;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  if (bytesRead !== length) throw invalidTar('it is cut off');
  return buffer;
}

const quote = (path: string): string => JSON.stringify(path.slice(0, 200));

export const invalidTar = (what: string, cause?: unknown): ArchBuildError =>
  new ArchBuildError(
    'ARCHIVE_INVALID',
    `not a good tar archive: ${what}`,
    cause === undefined ? {} : { cause },
  );
