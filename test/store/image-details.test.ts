import { describe, expect, it } from 'vitest';
import { parsePlatform } from '../../src/oci/platform.ts';
import { describeImage, pickPlatform } from '../../src/store/image-details.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { openScratch } from '../support/scratch.ts';
import { addImage, addIndex } from './sample-images.ts';

const amd64 = parsePlatform('linux/amd64');
const armv7 = parsePlatform('linux/arm/v7');
const arm64 = parsePlatform('linux/arm64');

async function withStore(use: (store: Store) => void): Promise<void> {
  await using scratch = await openScratch('details');
  await using store = await openStore(scratch.path('store'));
  use(store);
}

describe('an image', () => {
  it('of one platform is described, with the size of its layers', async () => {
    await withStore((store) => {
      const root = addImage(store, { layers: ['aaa', 'bb'] });
      const details = describeImage(store.blobs, { name: 'x', root });
      expect(details.index).toBeUndefined();
      expect(details.platforms).toMatchObject([
        { platform: amd64, size: 5, descriptor: { digest: root.digest } },
      ]);
      expect(pickPlatform(details, undefined).platform).toEqual(amd64);
      expect(pickPlatform(details, amd64).platform).toEqual(amd64);
      expect(() => pickPlatform(details, arm64)).toThrow(
        expect.objectContaining({ code: 'PLATFORM_NOT_FOUND' }) as Error,
      );
    });
  });

  it('of several platforms has those that are there, in the order of its index', async () => {
    await withStore((store) => {
      const images = [arm64, amd64, armv7].map((platform) =>
        addImage(store, { layers: [platform.architecture], platform }),
      );
      const attestation = {
        ...addImage(store, { layers: ['att'] }),
        platform: { os: 'unknown', architecture: 'unknown' },
      };
      const root = addIndex(store, [...images, attestation]);
      store.blobs.remove(images[1]!.digest);
      const details = describeImage(store.blobs, { name: undefined, root });
      expect(details.platforms.map(({ platform }) => platform)).toEqual([arm64, armv7]);
      expect(details.index?.manifests).toHaveLength(4);
      expect(pickPlatform(details, armv7).descriptor.digest).toBe(images[2]!.digest);
      for (const wanted of [undefined, amd64]) {
        expect(() => pickPlatform(details, wanted)).toThrow(
          expect.objectContaining({
            code: 'PLATFORM_NOT_FOUND',
            hint: expect.stringContaining('linux/arm64, linux/arm/v7') as string,
          }) as Error,
        );
      }
    });
  });

  it('that is not there is a missing blob', async () => {
    await withStore((store) => {
      const root = addImage(store, { layers: ['a'] });
      store.blobs.remove(root.digest);
      expect(() => describeImage(store.blobs, { name: 'x', root })).toThrow(
        expect.objectContaining({ code: 'BLOB_MISSING' }) as Error,
      );
    });
  });
});
