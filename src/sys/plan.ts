/**
 * What a sandbox does, as a value: a list of operations that can be printed (`--plan`, `--debug`), tested, and
 * carried out by the helper program `emulators/native/sandbox`, which knows the same operations by name.
 */

export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  REMOUNT: 32,
  BIND: 4096,
  REC: 16384,
  PRIVATE: 1 << 18,
} as const;

export const CLONE = {
  NEWNS: 0x00020000,
  NEWCGROUP: 0x02000000,
  NEWUTS: 0x04000000,
  NEWIPC: 0x08000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
} as const;

export interface TracedEmulator {
  /** Hex, compared from the beginning of a program. */
  readonly magic: string;
  readonly mask: string;
  /** Inside the new root. */
  readonly path: string;
}

export type Operation =
  | { readonly op: 'unshare'; readonly flags: number }
  | {
      readonly op: 'mount';
      readonly source: string;
      readonly target: string;
      readonly type: string;
      readonly flags: number;
      readonly data: string;
    }
  /** Adds mount flags to a mount and, from Linux 5.12 on, to those below it. */
  | { readonly op: 'restrict'; readonly target: string; readonly flags: number }
  /** Makes what of a path is missing, through no symlink. */
  | { readonly op: 'mountpoint'; readonly path: string; readonly kind: 'file' | 'directory' }
  /** A new file, which need not be on any disk. */
  | {
      readonly op: 'file';
      readonly path: string;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      readonly content: Uint8Array;
    }
  /** What is there is seen no more; nothing where nothing is. */
  | { readonly op: 'mask'; readonly path: string }
  /** What a directory holds, into another one. */
  | { readonly op: 'copy'; readonly source: string; readonly target: string }
  | { readonly op: 'mkdir'; readonly path: string; readonly mode: number }
  | { readonly op: 'touch'; readonly path: string }
  | { readonly op: 'symlink'; readonly target: string; readonly path: string }
  | { readonly op: 'write'; readonly path: string; readonly text: string }
  | { readonly op: 'chdir'; readonly path: string }
  /** Clones new namespaces; the maps are used with NEWUSER only. */
  | { readonly op: 'enter'; readonly flags: number; readonly uidMap: string; readonly gidMap: string }
  | { readonly op: 'pivot'; readonly root: string }
  | { readonly op: 'hostname'; readonly name: string }
  | { readonly op: 'loopback' }
  /** Pid 1 stays behind as reaper; what follows runs in its child. */
  | { readonly op: 'init' }
  /** As `init`; pid 1 also starts the emulator of each foreign program that is executed inside. */
  | { readonly op: 'trace'; readonly emulators: readonly TracedEmulator[] }
  | { readonly op: 'umask'; readonly mask: number }
  | { readonly op: 'terminal' }
  /** Opens the `cgroup.procs` of a control group, which `join` makes the process a member of. */
  | { readonly op: 'group'; readonly path: string }
  | { readonly op: 'join' }
  | { readonly op: 'no-new-privileges' }
  /** Whoever limits the memory of processes is told that it is done, and nothing is. */
  | { readonly op: 'no-memory-limits' }
  /** Raises a hard limit that is below; the soft one stays. */
  | { readonly op: 'raise'; readonly resource: number; readonly hard: bigint }
  | { readonly op: 'limit'; readonly resource: number; readonly soft: bigint; readonly hard: bigint }
  | { readonly op: 'capabilities'; readonly keep: bigint }
  | { readonly op: 'ids'; readonly uid: number; readonly gid: number; readonly groups: readonly number[] }
  /** chdir inside the new root, refusing a directory that is not below it. */
  | { readonly op: 'workdir'; readonly path: string }
  | { readonly op: 'environment'; readonly variables: readonly string[] }
  | { readonly op: 'exec'; readonly argv: readonly string[] };

/** The NUL-terminated words the helper reads. A NUL inside an operand throws TypeError: callers validate input. */
export function encodePlan(plan: readonly Operation[]): Buffer {
  const words = plan.flatMap(encodeOperation);
  for (const word of words) {
    if (word.includes('\0')) throw new TypeError(`NUL byte in a sandbox operand: ${JSON.stringify(word)}`);
  }
  return Buffer.from(words.map((word) => `${word}\0`).join(''), 'utf8');
}

const counted = (name: string, words: readonly string[]): string[] => [name, String(words.length), ...words];

function encodeOperation(operation: Operation): string[] {
  switch (operation.op) {
    case 'unshare':
      return ['unshare', String(operation.flags)];
    case 'mount':
      return encodeMount(operation);
    case 'restrict':
      return ['restrict', operation.target, String(operation.flags)];
    case 'mountpoint':
      return ['mountpoint', operation.path, operation.kind];
    case 'file':
      return encodeFile(operation);
    case 'mkdir':
      return ['mkdir', operation.path, String(operation.mode)];
    case 'touch':
    case 'chdir':
    case 'workdir':
    case 'group':
    case 'mask':
      return [operation.op, operation.path];
    case 'symlink':
    case 'copy':
    case 'write':
      return encodeContent(operation);
    case 'enter':
      return ['enter', String(operation.flags), operation.uidMap, operation.gidMap];
    case 'pivot':
      return ['pivot', operation.root];
    case 'hostname':
      return ['hostname', operation.name];
    case 'umask':
    case 'raise':
    case 'limit':
    case 'no-memory-limits':
    case 'capabilities':
    case 'no-new-privileges':
    case 'ids':
      return encodeRight(operation);
    case 'environment':
    case 'exec':
    case 'trace':
      return counted(operation.op, listOf(operation));
    case 'loopback':
    case 'init':
    case 'join':
    case 'terminal':
      return [operation.op];
  }
}

/** What is to be there, and where. */
function encodeContent(operation: Extract<Operation, { op: 'symlink' | 'copy' | 'write' }>): string[] {
  switch (operation.op) {
    case 'symlink':
      return ['symlink', operation.target, operation.path];
    case 'copy':
      return ['copy', operation.source, operation.target];
    case 'write':
      return ['write', operation.path, operation.text];
  }
}

type Right = 'umask' | 'raise' | 'limit' | 'no-memory-limits' | 'capabilities' | 'no-new-privileges' | 'ids';

/** What the command may do, and as whom. */
function encodeRight(operation: Extract<Operation, { op: Right }>): string[] {
  switch (operation.op) {
    case 'no-memory-limits':
    case 'no-new-privileges':
      return [operation.op];
    case 'umask':
      return ['umask', String(operation.mask)];
    case 'raise':
      return ['raise', String(operation.resource), String(operation.hard)];
    case 'limit':
      return ['limit', ...[operation.resource, operation.soft, operation.hard].map(String)];
    case 'capabilities':
      return ['capabilities', `0x${operation.keep.toString(16)}`];
    case 'ids':
      return ['ids', String(operation.uid), String(operation.gid), operation.groups.join(',')];
  }
}

type Listing = Extract<Operation, { op: 'environment' | 'exec' | 'trace' }>;

function listOf(operation: Listing): readonly string[] {
  if (operation.op === 'environment') return operation.variables;
  if (operation.op === 'exec') return operation.argv;
  return operation.emulators.flatMap(({ magic, mask, path }) => [magic, mask, path]);
}

const encodeFile = ({ path, mode, uid, gid, content }: Extract<Operation, { op: 'file' }>): string[] => [
  'file',
  path,
  ...[mode, uid, gid].map(String),
  Buffer.from(content).toString('hex'),
];

const encodeMount = ({
  source,
  target,
  type,
  flags,
  data,
}: Extract<Operation, { op: 'mount' }>): string[] => ['mount', source, target, type, String(flags), data];

const MOUNT_FLAG_NAMES: readonly (readonly [number, string])[] = [
  [MS.RDONLY, 'ro'],
  [MS.NOSUID, 'nosuid'],
  [MS.NODEV, 'nodev'],
  [MS.NOEXEC, 'noexec'],
  [MS.REMOUNT, 'remount'],
  [MS.BIND, 'bind'],
  [MS.REC, 'rec'],
  [MS.PRIVATE, 'private'],
];

const flagNames = (flags: number): string[] =>
  MOUNT_FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);

/** One line for people: close to the command that would do the same. */
export function describeOperation(operation: Operation): string {
  switch (operation.op) {
    case 'restrict':
      return `mount ${operation.target} remount,bind,${flagNames(operation.flags).join(',')}`;
    case 'mount': {
      const options = [
        ...flagNames(operation.flags),
        ...(operation.data === '' ? [] : [operation.data]),
      ].join(',');
      return ['mount', operation.type, operation.source, operation.target, options]
        .filter((w) => w !== '')
        .join(' ');
    }
    case 'unshare':
    case 'enter': {
      const names = Object.entries(CLONE).filter(([, bit]) => (operation.flags & bit) !== 0);
      return `${operation.op} ${names.map(([name]) => name.slice(3).toLowerCase()).join(',')}`;
    }
    case 'mkdir':
      return `mkdir ${operation.path} ${operation.mode.toString(8)}`;
    case 'file':
      return `file ${operation.path} ${operation.mode.toString(8)} (${operation.content.length} bytes)`;
    case 'environment':
      return `environment (${operation.variables.length} variables)`;
    case 'trace':
      return `trace ${operation.emulators.map(({ path }) => path).join(' ')}`;
    case 'exec':
      return `exec ${operation.argv.map((word) => JSON.stringify(word)).join(' ')}`;
    default:
      return encodeOperation(operation).join(' ');
  }
}
