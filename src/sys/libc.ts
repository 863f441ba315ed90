/** The libc calls Node has no function for, bound once through koffi and loaded on first use. */
import { createRequire } from 'node:module';

type Koffi = typeof import('koffi');

export interface Libc {
  lgetxattr(path: Uint8Array, name: string, value: Uint8Array | null, size: number): number;
  lsetxattr(path: Uint8Array, name: string, value: Uint8Array, size: number, flags: number): number;
  lremovexattr(path: Uint8Array, name: string): number;
  llistxattr(path: Uint8Array, list: Uint8Array | null, size: number): number;
  mknod(path: Uint8Array, mode: number, device: number | bigint): number;
  /** Undefined where the C library has no such function: glibc has it from 2.28 on, as Node needs. */
  statx?(directory: number, path: Uint8Array, flags: number, mask: number, status: Uint8Array): number;
  utimensat(directory: number, path: Uint8Array, times: BigInt64Array, flags: number): number;
  flock(fileDescriptor: number, operation: number): number;
  fcntl(fileDescriptor: number, command: number, argument: number): number;
  execve(path: string, argv: readonly (string | null)[], envp: readonly (string | null)[]): number;
  pipe2(ends: Int32Array, flags: number): number;
  mount(source: string, target: string, type: string, flags: number, data: string): number;
  umount2(target: string, flags: number): number;
  tcgetattr(fileDescriptor: number, termios: Uint8Array): number;
  tcsetattr(fileDescriptor: number, when: number, termios: Uint8Array): number;
  errno(): number;
}

let bound: Libc | undefined;

/** Binds on first use (14 ms). Paths are NUL-terminated byte strings: see `cPath`. */
export function libc(): Libc {
  bound ??= bind();
  return bound;
}

function bind(): Libc {
  const koffi = loadKoffi();
  const library = koffi.load(null);
  const call = (signature: string): unknown => library.func(signature);
  return {
    lgetxattr: call('int64_t lgetxattr(const uint8_t *path, const char *name, uint8_t *value, size_t size)'),
    lsetxattr: call(
      'int lsetxattr(const uint8_t *path, const char *name, const uint8_t *value, size_t size, int flags)',
    ),
    lremovexattr: call('int lremovexattr(const uint8_t *path, const char *name)'),
    llistxattr: call('int64_t llistxattr(const uint8_t *path, uint8_t *list, size_t size)'),
    mknod: call('int mknod(const uint8_t *path, uint32_t mode, uint64_t device)'),
    utimensat: call('int utimensat(int directory, const uint8_t *path, const int64_t *times, int flags)'),
    statx: optional(() =>
      call('int statx(int directory, const uint8_t *path, int flags, unsigned int mask, uint8_t *status)'),
    ),
    flock: call('int flock(int fd, int operation)'),
    fcntl: call('int fcntl(int fd, int command, int argument)'),
    execve: call('int execve(const char *path, const char **argv, const char **envp)'),
    pipe2: call('int pipe2(_Out_ int *ends, int flags)'),
    mount: call(
      'int mount(const char *source, const char *target, const char *type, uint64_t flags, const char *data)',
    ),
    umount2: call('int umount2(const char *target, int flags)'),
    tcgetattr: call('int tcgetattr(int fd, uint8_t *termios)'),
    tcsetattr: call('int tcsetattr(int fd, int when, const uint8_t *termios)'),
    errno: () => koffi.errno(),
  } as Libc;
}

/** The functions of a library of our own; undefined when it cannot be loaded here. */
export function bindLibrary<Library>(
  path: string,
  signatures: Readonly<Record<keyof Library & string, string>>,
): Library | undefined {
  const koffi = loadKoffi();
  return optional(() => {
    const library = koffi.load(path);
    const functions = Object.entries<string>(signatures).map(([name, text]) => [name, library.func(text)]);
    return Object.fromEntries(functions);
  }) as Library | undefined;
}

function optional(bindOne: () => unknown): unknown {
  try {
    return bindOne();
  } catch {
    return undefined;
  }
}

/**
 * The native half has all that is called here and is there in 3 ms; koffi itself, which first finds out which of its
 * halves that is and adds what older programs call, takes 8 ms. On other hosts it has to.
 */
function loadKoffi(): Koffi {
  try {
    return createRequire(import.meta.url)('@koromix/koffi-linux-x64') as Koffi;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    return createRequire(import.meta.url)('koffi') as Koffi;
  }
}

const F_SETFD = 2;

/**
 * execve(2): on success there is nobody to return to. The new program gets our three streams, which Node would have
 * closed, and nothing else. Throws a system error.
 */
export function replaceProcess(
  path: string,
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): never {
  const variables = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  for (const stream of [0, 1, 2]) libc().fcntl(stream, F_SETFD, 0);
  libc().execve(path, [...argv, null], [...variables, null]);
  throw systemError('execve', path);
}

/** A path as C wants it. Strings are UTF-8; raw names come as bytes. */
export function cPath(path: string | Uint8Array): Uint8Array {
  const bytes = typeof path === 'string' ? Buffer.from(path, 'utf8') : path;
  const terminated = new Uint8Array(bytes.length + 1);
  terminated.set(bytes);
  return terminated;
}

/** A Node-like system error from the errno of the last failed call. */
export function systemError(syscall: string, path: string | Uint8Array): NodeJS.ErrnoException {
  const errno = libc().errno();
  const name = errnoName(errno);
  const shown = typeof path === 'string' ? path : Buffer.from(path).toString('utf8');
  const error: NodeJS.ErrnoException = new Error(`${name}: ${syscall} '${shown}'`);
  error.code = name;
  error.errno = -errno;
  error.syscall = syscall;
  error.path = shown;
  return error;
}

function errnoName(errno: number): string {
  const constants = (createRequire(import.meta.url)('node:os') as typeof import('node:os')).constants.errno;
  const found = Object.entries(constants).find(([, value]) => value === errno);
  return found?.[0] ?? `errno ${errno}`;
}
