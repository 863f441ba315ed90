import { describe, expect, it } from 'vitest';
import { cPath, libc, systemError } from '../../src/sys/libc.ts';

describe('a path for C', () => {
  it.each([
    ['text', '/a', [0x2f, 0x61, 0]],
    ['UTF-8', 'ü', [0xc3, 0xbc, 0]],
    ['bytes', Uint8Array.of(0xff), [0xff, 0]],
    ['nothing', '', [0]],
  ])('ends with a NUL: %s', (_what, path, bytes) => {
    expect([...cPath(path)]).toEqual(bytes);
  });
});

describe('a failed call', () => {
  it.each([
    ['/nonexistent', 'ENOENT', -2],
    ['/dev/null/below', 'ENOTDIR', -20],
    [`/${'x'.repeat(300)}`, 'ENAMETOOLONG', -36],
  ])('on %s becomes a system error as Node’s own are', (path, code, errno) => {
    expect(libc().llistxattr(cPath(path), null, 0)).toBe(-1);
    expect(systemError('llistxattr', path)).toMatchObject({ code, errno, syscall: 'llistxattr', path });
    expect(libc().llistxattr(cPath(path), null, 0)).toBe(-1);
    expect(systemError('llistxattr', Buffer.from(path)).message).toBe(`${code}: llistxattr '${path}'`);
  });
});
