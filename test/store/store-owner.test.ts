/** A store serves those to whom its files have the owners they were made with. */
import { mkdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { storeLayout, type StoreLayout } from '../../src/store/layout.ts';
import { claimStore } from '../../src/store/store-owner.ts';
import { openScratch } from '../support/scratch.ts';

async function inStore(test: (layout: StoreLayout) => void): Promise<void> {
  await using scratch = await openScratch('owner');
  test(storeLayout(scratch.directory));
}

it.each(['root', 'user', 'single-user'] as const)(
  'belongs to %s, who comes first, and to nobody else',
  async (owner) => {
    await inStore((layout) => {
      claimStore(layout, owner);
      claimStore(layout, owner);
      for (const other of ['root', 'user', 'single-user'] as const) {
        if (other !== owner) expect(() => claimStore(layout, other)).toThrow(/was made by/);
      }
    });
  },
);

it('is root’s when it has snapshots and does not say whose', async () => {
  await inStore((layout) => {
    mkdirSync(layout.snapshots);
    claimStore(layout, 'root');
    expect(() => claimStore(layout, 'user')).toThrow(/was made by root/);
  });
});
