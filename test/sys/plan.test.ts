/** Plans as values: what the helper program reads, and what people read. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CLONE, describeOperation, encodePlan, MS, type Operation } from '../../src/sys/plan.ts';

const mount = (change: Partial<Extract<Operation, { op: 'mount' }>>): Operation => ({
  op: 'mount',
  source: '',
  target: '',
  type: '',
  flags: 0,
  data: '',
  ...change,
});

const ROWS: readonly [string, Operation, string[], string][] = [
  ['unshare', { op: 'unshare', flags: CLONE.NEWNS }, ['unshare', '131072'], 'unshare ns'],
  [
    'mount',
    mount({ source: 'proc', target: 'm/proc', type: 'proc', flags: MS.NOSUID | MS.NODEV | MS.NOEXEC }),
    ['mount', 'proc', 'm/proc', 'proc', '14', ''],
    'mount proc proc m/proc nosuid,nodev,noexec',
  ],
  [
    'mount with data',
    mount({ source: 'o', target: 'm', type: 'overlay', flags: MS.RDONLY, data: 'lowerdir=l/0' }),
    ['mount', 'o', 'm', 'overlay', '1', 'lowerdir=l/0'],
    'mount overlay o m ro,lowerdir=l/0',
  ],
  [
    'bind',
    mount({ source: '/a', target: 'm/b', flags: MS.BIND | MS.REC }),
    ['mount', '/a', 'm/b', '', '20480', ''],
    'mount /a m/b bind,rec',
  ],
  [
    'mountpoint',
    { op: 'mountpoint', path: 'm/a', kind: 'file' },
    ['mountpoint', 'm/a', 'file'],
    'mountpoint m/a file',
  ],
  [
    'file, whose content is not told',
    { op: 'file', path: 'c/0', mode: 0o400, uid: 1, gid: 2, content: Buffer.from([0, 0x73, 0xff]) },
    ['file', 'c/0', '256', '1', '2', '0073ff'],
    'file c/0 400 (3 bytes)',
  ],
  [
    'restrict',
    { op: 'restrict', target: 'm/sys', flags: MS.RDONLY | MS.NOSUID },
    ['restrict', 'm/sys', '3'],
    'mount m/sys remount,bind,ro,nosuid',
  ],
  ['mkdir', { op: 'mkdir', path: 'd', mode: 0o755 }, ['mkdir', 'd', '493'], 'mkdir d 755'],
  ['touch', { op: 'touch', path: 'f' }, ['touch', 'f'], 'touch f'],
  ['symlink', { op: 'symlink', target: 't', path: 'p' }, ['symlink', 't', 'p'], 'symlink t p'],
  ['write', { op: 'write', path: 'p', text: 'line' }, ['write', 'p', 'line'], 'write p line'],
  ['chdir', { op: 'chdir', path: '/s' }, ['chdir', '/s'], 'chdir /s'],
  [
    'enter',
    { op: 'enter', flags: CLONE.NEWUSER | CLONE.NEWPID, uidMap: '0 0 1', gidMap: '0 0 2' },
    ['enter', '805306368', '0 0 1', '0 0 2'],
    'enter user,pid',
  ],
  ['pivot', { op: 'pivot', root: 'm' }, ['pivot', 'm'], 'pivot m'],
  [
    'trace',
    { op: 'trace', emulators: [{ magic: '7f45', mask: 'ffff', path: '/dev/emulators/qemu-arm' }] },
    ['trace', '3', '7f45', 'ffff', '/dev/emulators/qemu-arm'],
    'trace /dev/emulators/qemu-arm',
  ],
  ['hostname', { op: 'hostname', name: 'h' }, ['hostname', 'h'], 'hostname h'],
  ['loopback', { op: 'loopback' }, ['loopback'], 'loopback'],
  ['init', { op: 'init' }, ['init'], 'init'],
  ['umask', { op: 'umask', mask: 0o22 }, ['umask', '18'], 'umask 18'],
  ['terminal', { op: 'terminal' }, ['terminal'], 'terminal'],
  [
    'capabilities',
    { op: 'capabilities', keep: 0xa80425fbn },
    ['capabilities', '0xa80425fb'],
    'capabilities 0xa80425fb',
  ],
  [
    'group',
    { op: 'group', path: '/sys/fs/cgroup/g/cgroup.procs' },
    ['group', '/sys/fs/cgroup/g/cgroup.procs'],
    'group /sys/fs/cgroup/g/cgroup.procs',
  ],
  ['join', { op: 'join' }, ['join'], 'join'],
  ['new privileges', { op: 'no-new-privileges' }, ['no-new-privileges'], 'no-new-privileges'],
  ['memory limits', { op: 'no-memory-limits' }, ['no-memory-limits'], 'no-memory-limits'],
  ['cgroup', { op: 'unshare', flags: CLONE.NEWCGROUP }, ['unshare', '33554432'], 'unshare cgroup'],
  ['mask', { op: 'mask', path: 'm/a' }, ['mask', 'm/a'], 'mask m/a'],
  ['copy', { op: 'copy', source: 'm/a', target: 'c' }, ['copy', 'm/a', 'c'], 'copy m/a c'],
  ['ids', { op: 'ids', uid: 1, gid: 2, groups: [2, 3] }, ['ids', '1', '2', '2,3'], 'ids 1 2 2,3'],
  ['ids alone', { op: 'ids', uid: 1, gid: 2, groups: [] }, ['ids', '1', '2', ''], 'ids 1 2 '],
  ['workdir', { op: 'workdir', path: '/w' }, ['workdir', '/w'], 'workdir /w'],
  [
    'environment',
    { op: 'environment', variables: ['A=1', 'SECRET=x'] },
    ['environment', '2', 'A=1', 'SECRET=x'],
    'environment (2 variables)',
  ],
  [
    'exec',
    { op: 'exec', argv: ['sh', '-c', 'a "b"'] },
    ['exec', '3', 'sh', '-c', 'a "b"'],
    'exec "sh" "-c" "a \\"b\\""',
  ],
];

describe('an operation', () => {
  it.each(ROWS)('%s is encoded word by word', (_name, operation, words) => {
    expect(encodePlan([operation]).toString()).toBe(words.map((word) => `${word}\0`).join(''));
  });

  it.each(ROWS)('%s is described in one line', (_name, operation, ...[, text]) => {
    expect(describeOperation(operation)).toBe(text);
  });

  it('does not show the values of the environment, which may be secrets', () => {
    expect(describeOperation({ op: 'environment', variables: ['TOKEN=hunter2'] })).not.toContain('hunter2');
  });
});

describe('a plan', () => {
  it.each<Operation>([
    { op: 'exec', argv: ['a\0b'] },
    { op: 'environment', variables: ['A=\0'] },
    { op: 'workdir', path: '/a\0' },
    { op: 'write', path: 'p', text: '\0' },
    { op: 'hostname', name: '\0' },
    mount({ source: '\0' }),
    mount({ data: '\0' }),
  ])('is refused with a NUL in %o', (operation) => {
    expect(() => encodePlan([{ op: 'init' }, operation])).toThrow(TypeError);
  });

  it('is read back as it was written, whatever the words', () => {
    const word = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));
    fc.assert(
      fc.property(fc.array(word), fc.array(word), (argv, variables) => {
        const encoded = encodePlan([
          { op: 'environment', variables },
          { op: 'exec', argv },
        ]).toString('utf8');
        expect(encoded.split('\0')).toEqual([
          'environment',
          String(variables.length),
          ...variables,
          'exec',
          String(argv.length),
          ...argv,
          '',
        ]);
      }),
    );
  });
});
