/** The registries of several platforms put together: what may meet, and what contradicts. */
import { describe, expect, it } from 'vitest';
import { unionOf, type StorageFile } from '../../src/cluster/registry-storage.ts';

const V2 = 'docker/registry/v2';
const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;
const blob = (digit: string, size: number): StorageFile => ({
  path: `${V2}/blobs/sha256/${digit.repeat(2)}/${digit.repeat(64)}/data`,
  size,
});
const tag = (name: string, word: string, digit: string): StorageFile => ({
  path: `${V2}/repositories/${name}/_manifests/tags/${word}/current/link`,
  size: 71,
  link: digest(digit),
});

describe('the union of registries', () => {
  it('has each file once, sorted, from the first platform that has it', () => {
    const amd = [
      { ...blob('b', 5), from: 'amd' },
      { ...tag('library/x', '1', 'b'), from: 'amd' },
    ];
    const arm = [
      { ...tag('library/x', '1', 'b'), from: 'arm' },
      { ...blob('a', 7), from: 'arm' },
    ];
    const union = unionOf([
      { platform: 'linux/amd64', files: amd },
      { platform: 'linux/arm64', files: arm },
    ]);
    expect(union.map(({ path, from }) => [path, from])).toEqual([
      [blob('a', 7).path, 'arm'],
      [blob('b', 5).path, 'amd'],
      [tag('library/x', '1', 'b').path, 'amd'],
    ]);
  });

  it('is refused with all tags that stand for two digests', () => {
    const parts = [
      {
        platform: 'linux/amd64',
        files: [tag('library/x', '1', 'a'), tag('team/y', 'v2', 'a'), blob('c', 1)],
      },
      {
        platform: 'linux/arm64',
        files: [tag('library/x', '1', 'b'), tag('team/y', 'v2', 'c'), blob('c', 2)],
      },
    ];
    expect(() => unionOf(parts)).toThrow(
      expect.objectContaining({
        code: 'CLUSTER',
        items: [
          `library/x:1 is ${digest('a')} for linux/amd64, but ${digest('b')} for linux/arm64`,
          `team/y:v2 is ${digest('a')} for linux/amd64, but ${digest('c')} for linux/arm64`,
          `${blob('c', 1).path} is 1 bytes for linux/amd64, but 2 bytes for linux/arm64`,
        ],
      }),
    );
  });
});
