import { lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { listXattrs, readXattr, removeXattr, writeXattr } from '../../src/sys/xattr.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';

describeWithRoot('an extended attribute', () => {
  it.each([
    ['text', Buffer.from('value')],
    ['nothing', Buffer.alloc(0)],
    ['zeros and all bytes', Buffer.from(Array.from({ length: 256 }, (_, index) => index))],
    ['a kilobyte', Buffer.alloc(1024, 7)],
  ])('holds %s', async (_what, value) => {
    await using scratch = await openScratch('xattr');
    const path = await scratch.write('file', '');
    writeXattr(path, 'user.a', value);
    expect(readXattr(path, 'user.a')).toEqual(value);
    writeXattr(path, 'user.a', Buffer.from('other'));
    expect(readXattr(path, 'user.a')?.toString()).toBe('other');
  });

  it('is listed and removed; an absent one is no error', async () => {
    await using scratch = await openScratch('xattr');
    const path = await scratch.write('file', '');
    expect(listXattrs(path)).toEqual([]);
    expect(readXattr(path, 'user.a')).toBeUndefined();
    for (const name of ['user.a', 'trusted.b', 'user.ü']) writeXattr(path, name, Buffer.from('1'));
    expect(listXattrs(path).sort()).toEqual(['trusted.b', 'user.a', 'user.ü']);
    removeXattr(path, 'user.a');
    removeXattr(path, 'user.a');
    expect(listXattrs(path).sort()).toEqual(['trusted.b', 'user.ü']);
  });

  it('belongs to a symlink itself, not to what it points to', async () => {
    await using scratch = await openScratch('xattr');
    const path = await scratch.write('file', '');
    symlinkSync('file', scratch.path('link'));
    writeXattr(scratch.path('link'), 'trusted.a', Buffer.from('of the link'));
    expect(readXattr(path, 'trusted.a')).toBeUndefined();
    expect(readXattr(scratch.path('link'), 'trusted.a')?.toString()).toBe('of the link');
  });

  it('takes names that are no UTF-8', async () => {
    await using scratch = await openScratch('xattr');
    const path = Buffer.concat([Buffer.from(scratch.path('')), Buffer.from([0x2f, 0xff, 0xfe])]);
    writeFileSync(path, '');
    writeXattr(path, 'user.a', Buffer.from('1'));
    expect(readXattr(path, 'user.a')?.toString()).toBe('1');
    expect(readdirSync(scratch.directory, { encoding: 'buffer' })[0]).toEqual(Buffer.from([0xff, 0xfe]));
  });

  it('of no file is a system error with code, call and path', async () => {
    await using scratch = await openScratch('xattr');
    const path = scratch.path('missing');
    for (const call of [
      () => readXattr(path, 'user.a'),
      () => listXattrs(path),
      () => writeXattr(path, 'user.a', Buffer.alloc(1)),
      () => removeXattr(path, 'user.a'),
    ]) {
      expect(call).toThrow(expect.objectContaining({ code: 'ENOENT', path }) as Error);
    }
  });

  it.each(['nonsense', ''])('of a name the kernel does not know cannot be written: %j', async (name) => {
    await using scratch = await openScratch('xattr');
    mkdirSync(scratch.path('d'));
    expect(() => writeXattr(scratch.path('d'), name, Buffer.alloc(1))).toThrow(/^E[A-Z]+: lsetxattr/);
    expect(lstatSync(scratch.path('d')).isDirectory()).toBe(true);
  });
});
