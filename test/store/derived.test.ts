/** Derived directories: whole or absent, made once, and gone with `prune`. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prune } from '../../src/store/prune.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { openScratch } from '../support/scratch.ts';

async function withStore(use: (store: Store) => Promise<void>): Promise<void> {
  await using scratch = await openScratch('derived');
  await using store = await openStore(scratch.path('store'), 'exclusive');
  await use(store);
}

const put =
  (text: string) =>
  (directory: string): Promise<void> => {
    writeFileSync(join(directory, 'file'), text);
    return Promise.resolve();
  };

describe('a derived directory', () => {
  it('is there once it was made, and not where making it failed', async () => {
    await withStore(async ({ derived, layout }) => {
      expect(derived.find('a')).toBeUndefined();
      await expect(derived.make('a', () => Promise.reject(new Error('no room')))).rejects.toThrow('no room');
      expect(derived.find('a')).toBeUndefined();
      const made = await derived.make('a', put('1'));
      expect(made).toBe(join(layout.derived, 'a'));
      expect(derived.find('a')).toBe(made);
    });
  });

  it('stays the one that was there first', async () => {
    await withStore(async ({ derived, layout }) => {
      const made = await Promise.all(['1', '2', '3'].map((text) => derived.make('a', put(text))));
      expect(new Set(made).size).toBe(1);
      const first = readFileSync(join(made[0]!, 'file'), 'utf8');
      await derived.make('a', put('4'));
      expect(readFileSync(join(made[0]!, 'file'), 'utf8')).toBe(first);
      expect(readdirSync(layout.derived)).toEqual(['a']);
    });
  });

  it('goes with prune', async () => {
    await withStore(async (store) => {
      const made = await store.derived.make('a', put('1'));
      await prune(store, { cache: false, unnamed: false, dryRun: true });
      expect(existsSync(made)).toBe(true);
      await prune(store, { cache: false, unnamed: false, dryRun: false });
      expect(store.derived.find('a')).toBeUndefined();
      await prune(store, { cache: false, unnamed: false, dryRun: false });
    });
  });
});
