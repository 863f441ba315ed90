/** The options of `RUN --mount`: defaults, synonyms, refusals. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArchBuildError } from '../../src/errors.ts';
import { readRunMount, type RunMount } from '../../src/kubefile/run-mount.ts';

const read = (text: string): RunMount => readRunMount(text, (word) => word.replaceAll('$V', 'value'));
const CACHE = {
  type: 'cache',
  id: '/c',
  target: '/c',
  writable: true,
  sharing: 'shared',
  source: '/',
} as const;

describe('a mount', () => {
  it.each<[string, object]>([
    ['target=/x', { type: 'bind', target: '/x', source: '/', from: undefined, writable: false }],
    [
      'type=bind,dst=/x,src=a,from=s,rw',
      { type: 'bind', target: '/x', source: 'a', from: 's', writable: true },
    ],
    ['type=bind,destination=/x,readonly=false', { writable: true }],
    ['type=bind,target=/x,readwrite=false', { writable: false }],
    ['target=/$V,source=$V/a', { target: '/value', source: 'value/a' }],
    ['"target=/a,b",source=c', { target: '/a,b', source: 'c' }],
    ['type=cache,target=/c', { ...CACHE, mode: 0o755, uid: 0, gid: 0 }],
    [
      'type=cache,target=/c,id=i,sharing=locked,ro,mode=0700,uid=1,gid=2',
      { id: 'i', sharing: 'locked', writable: false, mode: 0o700, uid: 1, gid: 2 },
    ],
    ['target=/x,from=,z,bind-propagation=rslave', { type: 'bind', from: undefined, writable: false }],
    ['type=bind,target=/x,Z,relabel=private,rprivate,bind-nonrecursive=true', { type: 'bind', target: '/x' }],
    ['type=cache,target=/c,z,relabel=shared', { ...CACHE }],
    ['type=tmpfs,target=/t', { type: 'tmpfs', target: '/t', sizeBytes: undefined }],
    ['type=tmpfs,target=/t,size=64m', { sizeBytes: 64 * 2 ** 20 }],
    ['type=tmpfs,target=/t,size=1GiB', { sizeBytes: 2 ** 30 }],
    ['type=tmpfs,target=/t,tmpcopyup', { copyUp: true }],
    [
      'type=secret,id=s',
      { target: '/run/secrets/s', env: undefined, required: false, mode: 0o400, uid: 0, gid: 0 },
    ],
    ['type=secret,target=/a/b', { id: 'b', target: '/a/b' }],
    ['type=secret,id=s,env=E', { target: undefined, env: 'E' }],
    ['type=secret,id=s,env=E,target=/t,required', { target: '/t', env: 'E', required: true }],
    ['type=ssh', { type: 'ssh', id: 'default', target: undefined, required: false, mode: 0o600 }],
    ['type=SSH,id=x,required=true', { type: 'ssh', id: 'x', required: true }],
  ])('%s', (text, expected) => {
    expect(read(text)).toMatchObject(expected);
  });

  it('of memory alone is what it was where nothing is copied: its cache key stays', () => {
    expect(Object.keys(read('type=tmpfs,target=/t,tmpcopyup=false'))).toEqual([
      'type',
      'target',
      'sizeBytes',
    ]);
  });

  it.each([
    ['target=/x,relabel=yes', 'relabel is shared or private, not "yes"'],
    ['target=/x,bind-propagation=none', 'bind-propagation is private or rprivate or slave'],
    ['target=/x,U=true', 'U, which changes owners, cannot be had here'],
    ['type=tmpfs,target=/x,z', 'unknown option "z"'],
    ['type=tmpfs,target=/x,tmpcopyup=yes', 'tmpcopyup is true or false, not "yes"'],
    ['type=bind,target=/x,tmpcopyup', 'unknown option "tmpcopyup"'],
    ['type=nfs,target=/x', 'unknown mount type "nfs"'],
    ['', 'target is missing'],
    ['source=a', 'target is missing'],
    ['target=/x,size=1m', 'unknown option "size"'],
    ['type=tmpfs,target=/x,source=/y', 'unknown option "source"'],
    ['target', 'target needs a value'],
    ['target=/x,from=$V', 'variables cannot be used in from'],
    ['target=/x,ro=maybe', 'readonly is true or false'],
    ['type=cache,target=/x,sharing=none', 'sharing is shared or private or locked'],
    ['type=cache,target=/x,mode=9', 'mode is octal'],
    ['type=cache,target=/x,uid=-1', 'uid is a number'],
    ['type=tmpfs,target=/x,size=-1', 'size is a size such as 64m'],
    ['type=secret', 'a secret needs an id or a target'],
  ])('%j is refused: %s', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  it('of any text is read or refused, never anything else', () => {
    const words = fc.constantFrom(
      'type',
      'bind',
      'cache',
      'target',
      'size',
      'mode',
      '=',
      ',',
      '"',
      '/x',
      '$V',
      '0',
      'é',
    );
    fc.assert(
      fc.property(
        fc.array(words).map((parts) => parts.join('')),
        (text) => {
          try {
            read(text);
          } catch (error) {
            expect(error).toBeInstanceOf(ArchBuildError);
          }
        },
      ),
    );
  });
});
