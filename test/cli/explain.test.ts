/** Exit statuses and what is printed for each kind of error. */
import { describe, expect, it, vi } from 'vitest';
import { exitStatusOf, printError } from '../../src/cli/explain.ts';
import { ArchBuildError, type ErrorCode } from '../../src/errors.ts';

/** Every code there is; a new one does not compile without its row. */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  USAGE: 2,
  KUBEFILE_NOT_FOUND: 1,
  KUBEFILE_SYNTAX: 1,
  KUBEFILE_SEMANTICS: 1,
  EXPANSION: 1,
  IGNORE_PATTERN: 1,
  REFERENCE_INVALID: 1,
  PLATFORM_INVALID: 1,
  DIGEST_INVALID: 1,
  CONTEXT: 1,
  COPY: 1,
  ADD: 1,
  RUN_FAILED: 1,
  STAGE_UNKNOWN: 1,
  USER_UNKNOWN: 1,
  GATHER: 1,
  TEMPLATE: 1,
  AUDIT: 1,
  IMAGE_NOT_FOUND: 1,
  PLATFORM_NOT_FOUND: 1,
  DOCUMENT_INVALID: 1,
  DIGEST_MISMATCH: 1,
  SIZE_MISMATCH: 1,
  BLOB_MISSING: 1,
  LAYER_INVALID: 1,
  ARCHIVE_INVALID: 1,
  STORE: 1,
  STORE_BUSY: 1,
  REGISTRY: 1,
  REGISTRY_AUTH: 1,
  NETWORK: 1,
  OFFLINE: 1,
  IO: 1,
  CLUSTER: 1,
  REMOTE: 1,
  HOST_INCAPABLE: 3,
  EMULATOR_MISSING: 3,
  EMULATOR_UNUSABLE: 3,
  BINFMT: 3,
  SANDBOX: 3,
  TOOL_MISSING: 3,
  INTERRUPTED: 130,
};

function printed(error: unknown): string {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    printError(error);
    return write.mock.calls.map(([text]) => String(text)).join('');
  } finally {
    write.mockRestore();
  }
}

const systemError = (code: string): Error => Object.assign(new Error(`${code}: write '/x'`), { code });

describe('the exit status', () => {
  it.each(Object.entries(STATUS) as [ErrorCode, number][])('of %s is %d', (code, status) => {
    expect(exitStatusOf(new ArchBuildError(code, 'm'))).toBe(status);
  });

  it.each(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EMFILE', 'ENFILE'])(
    'of a failure of the machine is 1: %s',
    (code) => {
      expect(exitStatusOf(systemError(code))).toBe(1);
    },
  );

  it('of a working directory that was deleted is 1', () => {
    const error = Object.assign(new Error('ENOENT: uv_cwd'), { code: 'ENOENT', syscall: 'uv_cwd' });
    expect(exitStatusOf(error)).toBe(1);
  });

  it.each([
    new TypeError('x'),
    systemError('EINVAL'),
    systemError('ENOENT'),
    'text',
    undefined,
    null,
    { code: 'ENOSPC' },
  ])('of anything else is 70: %o', (error) => {
    expect(exitStatusOf(error)).toBe(70);
  });
});

describe('an error in words', () => {
  it('names code, place, line, message and hint, and has no stack', () => {
    const error = new ArchBuildError('KUBEFILE_SYNTAX', 'unknown instruction: RNU', {
      hint: 'did you mean RUN?',
      location: { file: 'Kubefile', line: 7, column: 3, sourceLine: '  RNU true' },
    });
    expect(printed(error)).toBe(
      'error[KUBEFILE_SYNTAX] Kubefile:7:3: unknown instruction: RNU\n  7 |   RNU true\n    |   ^^^\nhint: did you mean RUN?\n',
    );
  });

  it('of a full disk says what to do', () => {
    expect(printed(systemError('ENOSPC'))).toMatch(/^error\[IO\] ENOSPC[^\n]*\nhint: free space[^\n]*\n$/);
  });

  it('of a bug of ours has the stack and asks for a report', () => {
    const text = printed(new TypeError('oops'));
    expect(text).toMatch(/bug in arch-build/);
    expect(text).toMatch(/TypeError: oops\n\s+at /);
    expect(printed('thrown text')).toContain('thrown text');
  });

  it('never lets control characters of a hostile file reach the terminal', () => {
    const text = printed(new ArchBuildError('COPY', 'no \u001b[2J\u202efile\r\n', { hint: '\u0007' }));
    expect(text).not.toMatch(/[\u0007\u001b\r\u202e]/);
  });
});
