/** What a terminal shows in the end, by playing what was written on a small one. */
import { expect, it } from 'vitest';
import { TransferProgress } from '../../src/cli/transfer-progress.ts';

/** Knows line feeds, carriage returns, cursor up and erase line: all that may be written. */
function screenOf(written: string): string[] {
  const rows = [''];
  let row = 0;
  for (const [token] of written.matchAll(/\u001b\[(?:1A|2K)|[\n\r]|[^\u001b\n\r]+/g)) {
    if (token === '\n') rows[++row] ??= '';
    else if (token === '\u001b[1A') row -= 1;
    else if (token === '\u001b[2K') rows[row] = '';
    else if (token !== '\r') rows[row] = `${rows[row] ?? ''}${token}`;
  }
  return rows.filter((line) => line !== '');
}

const layer = (
  name: string,
  bytes: number,
): { what: string; digest: string; bytes: number; total: number } => ({
  what: 'layer',
  digest: `sha256:${name.repeat(64)}`,
  bytes,
  total: 1e9,
});

it('keeps finished lines above those that are drawn again', () => {
  let written = '';
  const progress = new TransferProgress(
    (text) => (written += text),
    () => 100,
  );
  progress.update(layer('a', 0), 1000);
  progress.update(layer('b', 5e8), 1000); // an earlier run brought half of it
  progress.update(layer('a', 2.5e8), 2000);
  progress.update(layer('b', 6e8), 3000);
  expect(screenOf(written)).toEqual([
    'layer sha256:aaaaaaaaaaaa [#####...............] 250 MB of 1.0 GB, 125 MB/s, 6 s left',
    'layer sha256:bbbbbbbbbbbb [############........] 600 MB of 1.0 GB, 50.0 MB/s, 8 s left',
  ]);
  progress.update(layer('a', 1e9), 3001);
  progress.print('layer a is there\n');
  const shown = screenOf(written);
  expect(shown[0]).toBe('layer a is there');
  expect(shown).toHaveLength(2);
  progress.update(layer('b', 1e9), 9000);
  progress.print('done\n');
  expect(screenOf(written)).toEqual(['layer a is there', 'done']);
});

it('fits narrow terminals and draws few lines, seldom', () => {
  let writes = 0;
  let written = '';
  const progress = new TransferProgress(
    (text) => {
      writes += 1;
      written += text;
    },
    () => 20,
  );
  for (const name of 'abcdef0123456789') progress.update(layer(name, 1), 1000);
  const before = writes;
  for (let bytes = 2; bytes < 1000; bytes += 1) progress.update(layer('a', bytes), 1050);
  expect(writes).toBe(before);
  progress.update(layer('a', 1000), 1200);
  expect(screenOf(written)).toHaveLength(8);
  for (const line of screenOf(written)) expect(line.length).toBeLessThan(20);
});
