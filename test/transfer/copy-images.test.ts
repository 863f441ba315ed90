/** A copy from one place to another: what is found out before any work is done for it. */
import { expect, it } from 'vitest';
import { openStore } from '../../src/store/store.ts';
import { copyImages } from '../../src/transfer/copy-images.ts';
import { parsePlace } from '../../src/transfer/transports/places.ts';
import { storeTransport } from '../../src/transfer/transports/store.ts';
import type { Place } from '../../src/transfer/transports/transport.ts';
import { openScratch } from '../support/scratch.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { FakeRegistry } from './fake-registry.ts';
import { addImage, MemoryContent } from './memory-content.ts';

const REGISTRY = { environment: {}, backoffMs: 1, certificateDirectories: [] };

it.each([
  ['wants a password', { code: 'REGISTRY_AUTH' }],
  ['is not there', { code: 'NETWORK' }],
] as const)('packs nothing for a registry that %s', async (trouble, error) => {
  await using scratch = await openScratch('copy-images');
  await using store = await openStore(scratch.path('store'));
  await using registry = await FakeRegistry.start({ auth: 'basic' });
  const content = new MemoryContent();
  const root = addImage(content, 'linux/arm64');
  const from: Place = {
    text: 'memory',
    traits: {},
    open: () =>
      Promise.resolve({
        content,
        images: [{ references: [], root }],
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
    write: () => Promise.reject(new TypeError('read only')),
  };
  const host = trouble === 'is not there' ? '127.0.0.1:1' : registry.host;
  const to = parsePlace(`docker://${host}/app:1`, storeTransport);
  const context = {
    ...{ store, report: () => undefined, signal: new AbortController().signal },
    ...{ preferredPlatform: parsePlatform('linux/amd64'), registry: REGISTRY },
  };
  await expect(copyImages({ from, to }, {}, context)).rejects.toMatchObject(error);
  expect(content.reads).toEqual([]);
});
