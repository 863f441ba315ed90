import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chainIdsOf, type ChainId } from '../../src/oci/digest.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { buildProgram } from '../support/child.ts';
import { openScratch } from '../support/scratch.ts';
import { addSnapshots, diffIdOf } from './sample-images.ts';

async function withStore(use: (store: Store) => void): Promise<void> {
  await using scratch = await openScratch('snapshots');
  await using store = await openStore(scratch.path('store'));
  use(store);
}

const top = (chain: readonly ChainId[]): ChainId => chain.at(-1)!;
const fileIn = (store: Store, chainId: ChainId): string =>
  readFileSync(join(store.layout.snapshotTree(chainId), 'file'), 'utf8');

describe('a snapshot', () => {
  it('is found by its chainID, with its parent, and stacks topmost first', async () => {
    await withStore((store) => {
      const chain = addSnapshots(store, ['a', 'b', 'c']);
      expect(chain).toEqual(chainIdsOf(['a', 'b', 'c'].map(diffIdOf)));
      expect(store.snapshots.get(top(chain))).toEqual({
        chainId: chain[2],
        parent: chain[1],
        diffId: diffIdOf('c'),
        size: 1,
        includeRoot: false,
      });
      expect(store.snapshots.get(chain[0]!)).not.toHaveProperty('parent');
      expect(store.snapshots.trees(chain).map((tree) => readFileSync(join(tree, 'file'), 'utf8'))).toEqual([
        'c',
        'b',
        'a',
      ]);
      expect(
        store.snapshots
          .list()
          .map(({ chainId }) => chainId)
          .sort(),
      ).toEqual([...chain].sort());
    });
  });

  it('is committed twice without harm, and the second directory is gone', async () => {
    await withStore((store) => {
      const [first] = addSnapshots(store, ['a']);
      const before = fileIn(store, first!);
      const [second] = addSnapshots(store, ['a']);
      expect(second).toBe(first);
      expect(fileIn(store, first!)).toBe(before);
      expect(store.snapshots.list()).toHaveLength(1);
      const staged = readdirSync(store.layout.temporary).flatMap((session) =>
        readdirSync(join(store.layout.temporary, session)),
      );
      expect(staged.filter((name) => name.startsWith('commit-'))).toEqual([]);
    });
  });

  it('that is missing or damaged says so, and how to repair it works', async () => {
    await withStore((store) => {
      const chain = addSnapshots(store, ['a', 'b']);
      const damaged = expect.objectContaining({ code: 'STORE' }) as Error;
      writeFileSync(join(store.layout.snapshot(chain[1]!), 'snapshot.json'), '');
      expect(() => store.snapshots.get(chain[1]!)).toThrow(damaged);
      rmSync(join(store.layout.snapshot(chain[0]!), 'snapshot.json'));
      expect(() => store.snapshots.get(chain[0]!)).toThrow(damaged);
      expect(store.snapshots.has(chain[0]!)).toBe(false);
      expect(store.snapshots.list()).toEqual([]);
      expect(store.snapshots.sweep()).toBe(2);
      expect(addSnapshots(store, ['a', 'b'])).toEqual(chain);
      expect(store.snapshots.list()).toHaveLength(2);
      expect(store.snapshots.sweep()).toBe(0);
    });
  });

  it('is removed whole, with the record of its layer', async () => {
    await withStore((store) => {
      const chain = addSnapshots(store, ['a', 'b']);
      const snapshot = store.snapshots.get(top(chain));
      expect(store.snapshots.layerRecord(snapshot.diffId)).toEqual({ chainId: snapshot.chainId, size: 1 });
      store.snapshots.remove(snapshot);
      expect(existsSync(store.layout.snapshot(snapshot.chainId))).toBe(false);
      expect(store.snapshots.layerRecord(snapshot.diffId)).toBeUndefined();
      expect(existsSync(store.layout.layer(snapshot.diffId))).toBe(false);
      expect(store.snapshots.has(chain[0]!)).toBe(true);
      store.snapshots.remove(snapshot); // gone already
    });
  });

  it('keeps the record of a layer that another snapshot stands for', async () => {
    await withStore((store) => {
      const [, first] = addSnapshots(store, ['a', 'same']);
      const [, second] = addSnapshots(store, ['b', 'same']);
      expect(store.snapshots.layerRecord(diffIdOf('same'))?.chainId).toBe(second);
      store.snapshots.remove(store.snapshots.get(first!));
      expect(store.snapshots.layerRecord(diffIdOf('same'))?.chainId).toBe(second);
    });
  });

  it('stands for no layer when its bytes are kept elsewhere', async () => {
    await withStore((store) => {
      const staged = store.makeDirectory('commit');
      mkdirSync(join(staged, 'fs'));
      const snapshot = store.snapshots.commit(
        staged,
        { diffId: diffIdOf('x'), size: 1, includeRoot: true },
        { regenerable: false },
      );
      expect(store.snapshots.has(snapshot.chainId)).toBe(true);
      expect(store.snapshots.layerRecord(snapshot.diffId)).toBeUndefined();
    });
  });

  it('has a layer record that counts as absent when it is damaged', async () => {
    await withStore((store) => {
      addSnapshots(store, ['a']);
      writeFileSync(store.layout.layer(diffIdOf('a')), '');
      expect(store.snapshots.layerRecord(diffIdOf('a'))).toBeUndefined();
    });
  });
});

describe('several processes', () => {
  it('commit the same snapshots at once: one of each is there, whole, and none is torn', async () => {
    await using scratch = await openScratch('snapshots');
    using program = await buildProgram(`
      import { mkdirSync, writeFileSync } from 'node:fs';
      import { openStore } from './store/store.ts';
      import { digestOf } from './oci/digest.ts';
      await using store = await openStore(process.argv[2]!);
      console.log('ready');
      process.stdin.once('data', () => undefined);
      for (let index = 0; index < 40; index += 1) {
        const staged = store.makeDirectory('commit');
        mkdirSync(staged + '/fs');
        for (const name of ['p', 'q', 'r']) writeFileSync(staged + '/fs/' + name, String(index));
        store.snapshots.commit(staged, { diffId: digestOf(String(index)) as never, size: 3, includeRoot: false }, { regenerable: true });
      }
      process.stdin.unref();
    `);
    const children = [1, 2, 3].map(() => program.start([scratch.path('store')]));
    expect(await Promise.all(children.map((child) => child.end()))).toEqual([0, 0, 0]);
    await using store = await openStore(scratch.path('store'));
    const snapshots = store.snapshots.list();
    expect(snapshots).toHaveLength(40);
    for (const { chainId, diffId } of snapshots) {
      const tree = store.layout.snapshotTree(chainId);
      const contents = ['p', 'q', 'r'].map((name) => readFileSync(join(tree, name), 'utf8'));
      expect(new Set(contents.map(diffIdOf))).toEqual(new Set([diffId]));
      expect(readdirSync(store.layout.snapshot(chainId)).sort()).toEqual(['fs', 'snapshot.json']);
    }
    expect(readdirSync(store.layout.temporary)).toEqual([]);
  }, 60_000);
});
