import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../../src/sys/atomic-file.ts';
import { buildProgram } from '../support/child.ts';
import { openScratch } from '../support/scratch.ts';

describe('an atomic file', () => {
  it.each([
    ['text', 'häl\n', Buffer.from('häl\n')],
    ['bytes', Buffer.from([0, 255]), Buffer.from([0, 255])],
    ['nothing', '', Buffer.alloc(0)],
  ])('holds %s, in directories that are made', async (_what, data, expected) => {
    await using scratch = await openScratch('atomic');
    writeFileAtomic(scratch.path('a/b/file'), data);
    writeFileAtomic(scratch.path('a/b/file'), data);
    expect(readFileSync(scratch.path('a/b/file'))).toEqual(expected);
    expect(readdirSync(scratch.path('a/b'))).toEqual(['file']);
  });

  it('leaves the old content and nothing else when it cannot be written', async () => {
    await using scratch = await openScratch('atomic');
    mkdirSync(scratch.path('target'));
    writeFileSync(scratch.path('target/x'), '');
    expect(() => writeFileAtomic(scratch.path('target'), 'new')).toThrow(
      expect.objectContaining({ code: 'EISDIR' }) as Error,
    );
    expect(readdirSync(scratch.directory)).toEqual(['target']);
    await scratch.write('file', 'old');
    expect(() => writeFileAtomic(scratch.path('file/below'), 'new')).toThrow(
      expect.objectContaining({ code: 'ENOTDIR' }) as Error,
    );
    expect(readFileSync(scratch.path('file'), 'utf8')).toBe('old');
  });

  it('is never seen half written by another process', async () => {
    await using scratch = await openScratch('atomic');
    using program = await buildProgram(`
      import { writeFileAtomic } from './sys/atomic-file.ts';
      console.log('writes');
      for (let index = 0; index < 300; index += 1) writeFileAtomic(process.argv[2]!, String(index % 10).repeat(100_000));
    `);
    const path = await scratch.write('file', '-'.repeat(100_000));
    await using writer = program.start([path]);
    await writer.line();
    const state = { running: true };
    const ended = writer.end().finally(() => (state.running = false));
    let seen = 0;
    while (state.running) {
      const text = readFileSync(path, 'utf8');
      expect(text).toHaveLength(100_000);
      expect(text).toBe(text.charAt(0).repeat(100_000));
      seen += 1;
      await new Promise(setImmediate);
    }
    expect(await ended).toBe(0);
    expect(seen).toBeGreaterThan(3);
  });
});
