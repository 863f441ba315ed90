/** USER and --chown against the image's own accounts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lookUpOwner, lookUpUser, type Accounts } from '../../src/build/user-lookup.ts';

const accounts: Accounts = {
  passwd: [
    'root:x:0:0:root:/root:/bin/sh',
    '# a comment',
    '',
    'bin:x:1:1:bin:/bin:/sbin/nologin',
    'user:x:1000:1001::/home/user:/bin/sh',
    'homeless:x:7:7::',
    'broken:x:NaN:0::/:',
    'negative:x:-5:0::/:',
    'huge:x:4294967295:0::/:',
    '2000:x:55:56:a name of digits:/home/2000:',
    'user:x:9999:9999:the second of a name:/:',
    'short',
    'cr:x:1234:1234::/home/cr:/bin/sh\r',
  ].join('\n'),
  group: [
    'root:x:0:',
    'bin:x:1:root,daemon',
    'wheel:x:10:root,user',
    'audio:x:29:user,other',
    'again:x:10:user',
    'bad:x:x:user',
    'noname',
  ].join('\n'),
};

const none: Accounts = { passwd: '', group: '' };

describe('USER', () => {
  it.each<[string, Accounts, object]>([
    ['', accounts, { uid: 0, gid: 0, groups: [0, 1, 10], home: '/root' }],
    ['root', accounts, { uid: 0, gid: 0, groups: [0, 1, 10], home: '/root' }],
    ['user', accounts, { uid: 1000, gid: 1001, groups: [1001, 10, 29], home: '/home/user' }],
    ['1000', accounts, { uid: 1000, gid: 1001, groups: [1001, 10, 29], home: '/home/user' }],
    ['4242', accounts, { uid: 4242, gid: 0, groups: [0], home: '/' }],
    ['4242:4343', accounts, { uid: 4242, gid: 4343, groups: [4343], home: '/' }],
    ['user:bin', accounts, { uid: 1000, gid: 1, groups: [1], home: '/home/user' }],
    ['user:0', accounts, { uid: 1000, gid: 0, groups: [0], home: '/home/user' }],
    [':bin', accounts, { uid: 0, gid: 1, groups: [1], home: '/root' }],
    ['homeless', accounts, { uid: 7, gid: 7, groups: [7], home: '/' }],
    ['cr', accounts, { uid: 1234, gid: 1234, groups: [1234], home: '/home/cr' }],
    ['', none, { uid: 0, gid: 0, groups: [0], home: '/' }],
    ['0', none, { uid: 0, gid: 0, groups: [0], home: '/' }],
    ['5:6', none, { uid: 5, gid: 6, groups: [6], home: '/' }],
    ['4294967294', none, { uid: 4294967294, gid: 0, groups: [0], home: '/' }],
  ])('%j', (text, image, expected) => {
    expect(lookUpUser(text, image)).toEqual(expected);
  });

  it.each([
    ['nosuch', accounts],
    ['user:nosuch', accounts],
    ['root', none],
    ['0:root', none],
    ['a:b:c', accounts],
    ['4294967295', accounts],
    ['99999999999', accounts],
    ['-1', accounts],
    ['1.5', accounts],
    ['0x0', accounts],
    ['broken', accounts],
    ['huge', accounts],
    ['user ', accounts],
    ['user\n', accounts],
  ])('refuses %j', (text, image) => {
    expect(() => lookUpUser(text, image)).toThrow(expect.objectContaining({ code: 'USER_UNKNOWN' }));
  });
});

describe('--chown', () => {
  it.each<[string, Accounts, object]>([
    ['user', accounts, { uid: 1000, gid: 1001 }],
    ['user:wheel', accounts, { uid: 1000, gid: 10 }],
    ['1000', accounts, { uid: 1000, gid: 1000 }],
    ['4242', accounts, { uid: 4242, gid: 4242 }],
    ['1000:bin', accounts, { uid: 1000, gid: 1 }],
    ['1:2', none, { uid: 1, gid: 2 }],
    ['0', none, { uid: 0, gid: 0 }],
  ])('%j', (text, image, expected) => {
    expect(lookUpOwner(text, image)).toEqual(expected);
  });

  it.each([
    ['nosuch', accounts],
    ['root', none],
    ['0:root', none],
    ['1:2:3', accounts],
    ['4294967295', none],
  ])('refuses %j', (text, image) => {
    expect(() => lookUpOwner(text, image)).toThrow(expect.objectContaining({ code: 'USER_UNKNOWN' }));
  });
});

describe('any text of passwd and group', () => {
  it('gives ids in range or one kind of error', () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom('u:x:1:2::/h:', 'g:x:3:u', 'u:x:4294967295:0::', '::::::', 'u:x::'),
    );
    const text = fc.array(line, { maxLength: 6 }).map((lines) => lines.join('\n'));
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom('u', '1', 'u:g', ':')),
        text,
        text,
        (user, passwd, group) => {
          try {
            const { uid, gid, groups, home } = lookUpUser(user, { passwd, group });
            for (const id of [uid, gid, ...groups])
              expect(id >= 0 && id <= 0xfffffffe && Number.isInteger(id)).toBe(true);
            expect(home).not.toBe('');
          } catch (error) {
            expect(error).toMatchObject({ code: 'USER_UNKNOWN' });
          }
        },
      ),
    );
  });
});
