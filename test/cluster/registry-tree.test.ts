/** What a base image has in its registry's storage: an image, or something that is none and is gathered again. */
import { expect, it } from 'vitest';
import { blobPath, tagPath } from '../../src/cluster/gather/registry-files.ts';
import { findStored } from '../../src/cluster/gather/registry-tree.ts';
import { MergedTree } from '../../src/layer/merged-tree.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { openScratch } from '../support/scratch.ts';

it.each(['null', '7', '[]', '{', '{"mediaType":1}', '{"mediaType":"text/plain"}'])(
  'a tag of %s is no image',
  async (text) => {
    await using scratch = await openScratch('registry-tree');
    const digest = digestOf(text);
    await scratch.write(`root/${tagPath('app', '1')}`, digest);
    await scratch.write(`root/${blobPath(digest)}`, text);
    const tree = new MergedTree([scratch.path('root')], { plain: true });
    const place = { platform: parsePlatform('linux/amd64'), policy: 'drop' } as const;
    expect(findStored(tree, { reference: parseReference('a.com/app:1'), ...place })).toBeUndefined();
  },
);
