/**
 * The one error class thrown on purpose. Anything else that reaches main is a bug of ours (exit status 70).
 *
 * A message says what could not be done, names the operand, and has neither a full stop nor "failed to".
 */
export type ErrorCode =
  // wrong usage (exit 2)
  | 'USAGE'
  // what the user wrote (exit 1)
  | 'KUBEFILE_NOT_FOUND'
  | 'KUBEFILE_SYNTAX'
  | 'KUBEFILE_SEMANTICS'
  | 'EXPANSION'
  | 'IGNORE_PATTERN'
  | 'REFERENCE_INVALID'
  | 'PLATFORM_INVALID'
  | 'DIGEST_INVALID'
  // the build (exit 1)
  | 'CONTEXT'
  | 'COPY'
  | 'ADD'
  | 'RUN_FAILED'
  | 'STAGE_UNKNOWN'
  | 'USER_UNKNOWN'
  | 'GATHER'
  | 'TEMPLATE'
  | 'AUDIT'
  // images and content (exit 1)
  | 'IMAGE_NOT_FOUND'
  | 'PLATFORM_NOT_FOUND'
  | 'DOCUMENT_INVALID'
  | 'DIGEST_MISMATCH'
  | 'SIZE_MISMATCH'
  | 'BLOB_MISSING'
  | 'LAYER_INVALID'
  | 'ARCHIVE_INVALID'
  | 'STORE'
  | 'STORE_BUSY'
  | 'REGISTRY'
  | 'REGISTRY_AUTH'
  | 'NETWORK'
  | 'OFFLINE'
  | 'IO'
  // clusters (exit 1)
  | 'CLUSTER'
  | 'REMOTE'
  // this host cannot do it (exit 3)
  | 'HOST_INCAPABLE'
  | 'EMULATOR_MISSING'
  | 'EMULATOR_UNUSABLE'
  | 'BINFMT'
  | 'SANDBOX'
  | 'TOOL_MISSING'
  // the user interrupted (exit 130)
  | 'INTERRUPTED';

/** A place in a text the user wrote; line and column count from 1, column in UTF-16 units. */
export interface SourceLocation {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The physical source line, when it is at hand: the printer shows it with a caret. */
  readonly sourceLine?: string;
}

export interface ErrorDetails {
  /** What to do about it: one sentence, imperative. */
  readonly hint?: string;
  readonly location?: SourceLocation;
  /** What the message is about when that is many things: one line each, no full stops. */
  readonly items?: readonly string[];
  readonly cause?: unknown;
}

export class ArchBuildError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly location: SourceLocation | undefined;
  readonly items: readonly string[];

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ArchBuildError';
    this.code = code;
    this.hint = details.hint;
    this.location = details.location;
    this.items = details.items ?? [];
  }
}

/** The same error, or failure of the machine, with a place in the user's text, unless it already has one. */
export function atLocation(error: unknown, location: SourceLocation): unknown {
  const ours = error instanceof ArchBuildError ? error : systemFailure(error);
  if (ours === undefined || ours.location !== undefined) return error;
  const { code, message, hint, items, cause } = ours;
  return new ArchBuildError(code, message, {
    location,
    items,
    ...(hint === undefined ? {} : { hint }),
    cause,
  });
}

/** The same error, with what it happened to in front. */
export function atSubject(error: unknown, subject: string): unknown {
  if (!(error instanceof ArchBuildError)) return error;
  const { code, message, hint, location, items, cause } = error;
  return new ArchBuildError(code, `${subject}: ${message}`, {
    items,
    ...(hint === undefined ? {} : { hint }),
    ...(location === undefined ? {} : { location }),
    cause,
  });
}

/** The `code` of a Node system error (`ENOENT`, …), else undefined. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

const FAILURE_HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'free space on the store’s file system: `arch-build prune`, or another --root',
  EDQUOT: 'the quota is used up: `arch-build prune`, or another --root',
  EROFS: 'the file system is read-only: name another directory with --root',
  EIO: 'the disk reports errors: see the kernel log',
  EMFILE: 'raise the limit of open files (ulimit -n)',
  ENFILE: 'the system has too many open files',
};

/** A failure of the machine that can come from any file operation, as an error to be read; else undefined. */
export function systemFailure(error: unknown): ArchBuildError | undefined {
  if (error instanceof ArchBuildError || !(error instanceof Error)) return undefined;
  if ('syscall' in error && error.syscall === 'uv_cwd')
    return new ArchBuildError('IO', 'the working directory does not exist any more', { cause: error });
  const hint = FAILURE_HINTS[systemErrorCode(error) ?? ''];
  return hint === undefined ? undefined : new ArchBuildError('IO', error.message, { hint, cause: error });
}

export function unreachable(value: never): never {
  throw new TypeError(`unreachable value: ${JSON.stringify(value)}`);
}
