import { describe, expect, it } from 'vitest';
import { cachesOf } from '../../src/cli/caches.ts';

const ONLINE = { offline: false };
const from = (word: string): unknown => cachesOf({ cacheFrom: [word], cacheTo: [] }, ONLINE).cacheFrom[0];
const to = (word: string): unknown => cachesOf({ cacheFrom: [], cacheTo: [word] }, ONLINE).cacheTo[0];

describe('--cache-from and --cache-to', () => {
  it.each([
    ['r.test/c', { type: 'registry', reference: 'r.test/c:latest' }],
    ['type=registry,ref=r.test/c:1', { type: 'registry', reference: 'r.test/c:1' }],
    ['type=local,src=/c', { type: 'local', directory: '/c', tag: 'latest' }],
    ['type=local,src=/c,tag=main', { type: 'local', directory: '/c', tag: 'main' }],
  ])('from %s', (word, source) => {
    expect(from(word)).toEqual(source);
  });

  it.each([
    ['r.test/c', { type: 'registry', reference: 'r.test/c:latest', mode: 'min', ignoreError: false }],
    [
      'type=registry,ref=r.test/c:1,mode=max,ignore-error=true',
      { type: 'registry', reference: 'r.test/c:1', mode: 'max', ignoreError: true },
    ],
    [
      'type=local,dest=/c,mode=max',
      { type: 'local', directory: '/c', tag: 'latest', mode: 'max', ignoreError: false },
    ],
    ['type=inline', { type: 'inline' }],
  ])('to %s', (word, target) => {
    expect(to(word)).toEqual(target);
  });

  it.each([
    ['type=s3,bucket=b', 'unknown type "s3"'],
    ['type=registry', 'ref= is missing'],
    ['type=local,dest=/c,mode=most', 'unknown mode "most"'],
    ['type=local,src=/c', 'unknown "src"'],
    ['type=inline,mode=max', 'carries what it is made of'],
    ['type=inline,ref=x', 'unknown "ref"'],
    ['type=local,dest=/c,ignore-error=perhaps', 'neither true nor false'],
  ])('to %s is refused', (word, reason) => {
    expect(() => to(word)).toThrow(reason);
  });

  it.each([
    ['type=inline', 'unknown type "inline"'],
    ['type=local,dest=/c', 'unknown "dest"'],
    ['type=registry,ref=c,mode=max', 'unknown "mode"'],
  ])('from %s is refused', (word, reason) => {
    expect(() => from(word)).toThrow(reason);
  });

  it('do not ask a registry offline, a directory they do', () => {
    const call = (word: string): unknown => cachesOf({ cacheFrom: [word], cacheTo: [] }, { offline: true });
    expect(() => call('r.test/c')).toThrow(expect.objectContaining({ code: 'OFFLINE' }) as Error);
    expect(call('type=local,src=/c')).toBeDefined();
  });
});
