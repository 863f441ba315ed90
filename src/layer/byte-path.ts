/**
 * Paths inside a rootfs as byte strings: one char per byte (latin1), so that names that are not UTF-8 survive,
 * sort bytewise and can still be joined and compared as strings.
 *
 * Relative, slash separated, no leading or trailing slash, no `.` or `..` component; the root itself is ''.
 */
declare const brand: unique symbol;
export type BytePath = string & { readonly [brand]: 'BytePath' };

export const ROOT = '' as BytePath;

/** From a normal (UTF-8) path: cleans it lexically and clamps `..` at the root. */
export function toBytePath(path: string): BytePath {
  return cleanBytePath(Buffer.from(path, 'utf8').toString('latin1'));
}

/** From raw bytes held as a latin1 string. */
export function cleanBytePath(path: string): BytePath {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return parts.join('/') as BytePath;
}

/** For people: UTF-8 with a leading slash, undecodable bytes replaced. */
export function formatBytePath(path: BytePath): string {
  return '/' + Buffer.from(path, 'latin1').toString('utf8');
}

/** As text: UTF-8, undecodable bytes replaced. */
export function textOfBytes(bytes: string): string {
  return ASCII.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}

const ASCII = /^[\0-\x7f]*$/;

export function joinBytePath(directory: BytePath, name: string): BytePath {
  return (directory === '' ? name : `${directory}/${name}`) as BytePath;
}

/** What stands before a name in this directory. */
export const pathPrefix = (directory: BytePath): string => (directory === '' ? '' : `${directory}/`);

export function parentOf(path: BytePath): BytePath {
  const slash = path.lastIndexOf('/');
  return (slash < 0 ? '' : path.slice(0, slash)) as BytePath;
}

export function baseNameOf(path: BytePath): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The host path of an image path below a directory, as bytes for `node:fs`. */
export function hostPath(directory: string, path: BytePath): Buffer {
  return Buffer.concat([
    Buffer.from(directory, 'utf8'),
    Buffer.from(path === '' ? '' : `/${path}`, 'latin1'),
  ]);
}
