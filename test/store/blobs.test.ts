import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { buildProgram } from '../support/child.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';

async function* chunks(...parts: readonly string[]): AsyncIterable<Uint8Array> {
  for (const part of parts) yield await Promise.resolve(Buffer.from(part));
}

async function withStore(use: (store: Store, scratch: Scratch) => Promise<void>): Promise<void> {
  await using scratch = await openScratch('blobs');
  await using store = await openStore(scratch.path('store'));
  await use(store, scratch);
}

async function read(store: Store, digest: Digest): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of store.blobs.read(digest)) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

const hello = { mediaType: 'text/plain', digest: digestOf('hello'), size: 5 };
const hello512 = { mediaType: 'text/plain', digest: digestOf('hello', 'sha512'), size: 5 };

describe('a blob', () => {
  it.each([hello, hello512])('is read back as it was streamed in: $digest', async (descriptor) => {
    await withStore(async (store) => {
      await store.blobs.write(descriptor, chunks('he', '', 'llo'));
      expect(store.blobs.has(descriptor.digest)).toBe(true);
      expect(store.blobs.list()).toEqual([descriptor.digest]);
      expect(store.blobs.sizeOf(descriptor.digest)).toBe(5);
      expect(await read(store, descriptor.digest)).toBe('hello');
      expect(store.blobs.readDocument(descriptor.digest).toString()).toBe('hello');
    });
  });

  it.each([
    ['other content', 'DIGEST_MISMATCH', () => chunks('hallo')],
    ['too little', 'SIZE_MISMATCH', () => chunks('hell')],
    ['too much', 'SIZE_MISMATCH', () => chunks('hello', '!')],
    ['nothing', 'SIZE_MISMATCH', () => chunks()],
  ])('does not become visible with %s', async (_what, code, data) => {
    await withStore(async (store) => {
      await expect(store.blobs.write(hello, data())).rejects.toMatchObject({ code });
      expect(store.blobs.has(hello.digest)).toBe(false);
      expect(store.blobs.list()).toEqual([]);
    });
  });

  it('does not read on when there is more than its descriptor promises', async () => {
    await withStore(async (store) => {
      let given = 0;
      async function* endless(): AsyncIterable<Uint8Array> {
        for (;;) yield await Promise.resolve(Buffer.alloc((given += 1)));
      }
      await expect(store.blobs.write(hello, endless())).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
      expect(given).toBeLessThan(10);
    });
  });

  it('passes on the error of its source, and leaves nothing', async () => {
    await withStore(async (store) => {
      async function* broken(): AsyncIterable<Uint8Array> {
        yield await Promise.resolve(Buffer.from('he'));
        throw new Error('line cut');
      }
      await expect(store.blobs.write(hello, broken())).rejects.toThrow('line cut');
      expect(store.blobs.list()).toEqual([]);
      const sessions = readdirSync(store.layout.temporary, { recursive: true, encoding: 'utf8' });
      expect(sessions.filter((name) => /\/[0-9a-f]{32}$/.test(name))).toEqual([]);
    });
  });

  it('can be written twice at the same time', async () => {
    await withStore(async (store) => {
      await Promise.all([1, 2, 3, 4].map(() => store.blobs.write(hello, chunks('h', 'ello'))));
      expect(await read(store, hello.digest)).toBe('hello');
    });
  });

  it('is missing with its own code', async () => {
    await withStore(async (store) => {
      const missing = expect.objectContaining({ code: 'BLOB_MISSING' }) as Error;
      expect(() => store.blobs.readDocument(hello.digest)).toThrow(missing);
      expect(() => store.blobs.read(hello.digest)).toThrow(missing);
      store.blobs.remove(hello.digest);
      await Promise.resolve();
    });
  });

  it.each([hello, hello512])('is known to be damaged when it is a document: $digest', async ({ digest }) => {
    await withStore(async (store) => {
      mkdirSync(dirname(store.layout.blob(digest)), { recursive: true });
      writeFileSync(store.layout.blob(digest), 'hellO');
      expect(() => store.blobs.readDocument(digest)).toThrow(
        expect.objectContaining({ code: 'DIGEST_MISMATCH' }) as Error,
      );
      await Promise.resolve();
    });
  });

  it('is no document when it is too large for one', async () => {
    await withStore(async (store) => {
      const digest = store.blobs.writeDocument(Buffer.alloc((8 << 20) + 1));
      expect(() => store.blobs.readDocument(digest)).toThrow(
        expect.objectContaining({ code: 'DOCUMENT_INVALID' }) as Error,
      );
      await Promise.resolve();
    });
  });

  it('is not confused with other files in its directory', async () => {
    await withStore(async (store, scratch) => {
      const digest = store.blobs.writeDocument(Buffer.from('x'));
      for (const name of ['short', 'a'.repeat(64).toUpperCase(), `${'a'.repeat(64)}.0f.tmp`, 'abc']) {
        await scratch.write(`store/blobs/sha256/${name}`, '');
      }
      await scratch.write(`store/blobs/md5/${'a'.repeat(32)}`, '');
      expect(store.blobs.list()).toEqual([digest]);
    });
  });

  it('is not there when its writer is killed in the middle', async () => {
    await using scratch = await openScratch('blobs');
    using program = await buildProgram(`
      import { openStore } from './store/store.ts';
      import { setTimeout as sleep } from 'node:timers/promises';
      const store = await openStore(process.argv[2]!);
      async function* slow() { yield Buffer.from('hel'); console.log('half'); await sleep(60_000); yield Buffer.from('lo'); }
      await store.blobs.write(${JSON.stringify(hello)} as never, slow());
    `);
    await using child = program.start([scratch.path('store')]);
    expect(await child.line()).toBe('half');
    await child.kill();
    await using store = await openStore(scratch.path('store'));
    expect(store.blobs.list()).toEqual([]);
    await store.blobs.write(hello, chunks('hello'));
    expect(readFileSync(store.layout.blob(hello.digest), 'utf8')).toBe('hello');
  });
});
