import { describe, expect, it } from 'vitest';
import { contextsOf } from '../../src/cli/build-contexts.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;

describe('--build-context', () => {
  it.each([
    ['tools=/tmp', 'docker.io/library/tools:latest', { kind: 'directory', path: '/tmp' }],
    [
      'a/b:1=docker-image://busybox',
      'docker.io/a/b:1',
      { kind: 'image', reference: 'docker.io/library/busybox:latest' },
    ],
    [
      'x=docker-image://r.test:5000/y:2',
      'docker.io/library/x:latest',
      { kind: 'image', reference: 'r.test:5000/y:2' },
    ],
    ['x=oci-layout:///tmp', 'docker.io/library/x:latest', { kind: 'layout', directory: '/tmp' }],
    [
      'x=oci-layout:///tmp:v1',
      'docker.io/library/x:latest',
      { kind: 'layout', directory: '/tmp', tag: 'v1' },
    ],
    [
      `x=oci-layout:///tmp@${DIGEST}`,
      'docker.io/library/x:latest',
      { kind: 'layout', directory: '/tmp', digest: DIGEST },
    ],
    [
      'x=https://files.test/a.tar',
      'docker.io/library/x:latest',
      { kind: 'fetched', word: { kind: 'url', url: 'https://files.test/a.tar' } },
    ],
    [
      'x=https://git.test/a.git#main',
      'docker.io/library/x:latest',
      { kind: 'fetched', word: { kind: 'repository', word: 'https://git.test/a.git#main' } },
    ],
    [
      'x=git@git.test:a.git',
      'docker.io/library/x:latest',
      { kind: 'fetched', word: { kind: 'repository', word: 'git@git.test:a.git' } },
    ],
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
    ['x=docker://alpine', /docker-image:/],
    ['scratch=/tmp', /scratch/],
    ['Up=/tmp', /not an image reference/],
    ['x=docker-image://Bad/', /Bad/],
  ])('refuses %s', (word, hint) => {
    expect(() => contextsOf([word])).toThrow(
      expect.objectContaining({ code: 'USAGE', hint: expect.stringMatching(hint) as unknown }),
    );
  });
});
