import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseVolume } from '../../src/build/run-image.ts';

describe('-v', () => {
  it.each([
    ['/a:/b', { source: '/a', target: '/b', readOnly: false }],
    ['/a:/b:rw', { source: '/a', target: '/b', readOnly: false }],
    ['/a:/b:ro', { source: '/a', target: '/b', readOnly: true }],
    ['x/../y:/b', { source: resolve('y'), target: '/b', readOnly: false }],
    ['.:/', { source: resolve('.'), target: '/', readOnly: false }],
  ])('%s', (text, volume) => {
    expect(parseVolume(text)).toEqual(volume);
  });

  it.each(['', 'a', '/a:', ':/b', '/a:b', '/a:/b:', '/a:/b:z', '/a:/b:ro:x', '/a:/b:RO'])(
    'refuses %j',
    (text) => {
      expect(() => parseVolume(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    },
  );
});
