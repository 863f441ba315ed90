import { describe, expect, it } from 'vitest';
import { contextsOf } from '../../src/cli/build-contexts.ts';

/** Whether it is an archive shows when it is unpacked. */
const FILE = import.meta.filename;
const X = 'docker.io/library/x:latest';
const DIGEST = `sha256:${'0'.repeat(64)}`;

describe('--build-context', () => {
  it.each([
    ['tools=/tmp', 'docker.io/library/tools:latest', { kind: 'directory', path: '/tmp' }],
    [
      'a/b:1=docker-image://busybox',
      'docker.io/a/b:1',
      { kind: 'image', reference: 'docker.io/library/busybox:latest' },
    ],
    ['x=docker-image://r.test:5000/y:2', X, { kind: 'image', reference: 'r.test:5000/y:2' }],
    ['x=oci-layout:///tmp', X, { kind: 'layout', directory: '/tmp' }],
    ['x=oci-layout:///tmp:v1', X, { kind: 'layout', directory: '/tmp', tag: 'v1' }],
    [`x=oci-layout:///tmp@${DIGEST}`, X, { kind: 'layout', directory: '/tmp', digest: DIGEST }],
    ['x=https://files.test/a.tar', X, { kind: 'url', url: 'https://files.test/a.tar' }],
    ['x=https://git.test/a.git#main:sub', X, { kind: 'repository', word: 'https://git.test/a.git#main:sub' }],
    ['x=git@git.test:a.git', X, { kind: 'repository', word: 'git@git.test:a.git' }],
    [`x=${FILE}`, X, { kind: 'archive', path: FILE }],
  ])('%s', (word, name, context) => {
    expect([...contextsOf([word])]).toEqual([[name, context]]);
  });

  it.each([
    ['x', /NAME=DIRECTORY/],
    ['=/tmp', /NAME=DIRECTORY/],
    ['x=', /NAME=DIRECTORY/],
    ['x=/nowhere/at/all', /no directory \/nowhere\/at\/all/],
    ['x=oci-layout://', /no directory/],
    ['x=oci-layout:///nowhere:v1', /no directory \/nowhere/],
    ['x=ftp://files.test/a.tar', /contexts are directories, archives/],
    ['x=docker-container://a', /contexts are directories, archives/],
    ['x=-', /stdin is for the build context itself/],
    ['scratch=/tmp', /scratch/],
    ['Up=/tmp', /not an image reference/],
    ['x=docker-image://Bad/', /Bad/],
  ])('refuses %s', (word, hint) => {
    expect(() => contextsOf([word])).toThrow(
      expect.objectContaining({ code: 'USAGE', hint: expect.stringMatching(hint) as unknown }),
    );
  });
});
