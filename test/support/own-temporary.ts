/**
 * Set-up of every test file that runs beside others: a directory for temporary files of its own, so that what one
 * leaves, mounts or finds there is never another's. It has to be empty again at the end.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';

const directory = join(realpathSync(tmpdir()), `t-${randomBytes(3).toString('hex')}`);
mkdirSync(directory);
chmodSync(directory, 0o1777); // tests work as other users too
process.env['TMPDIR'] = directory;

afterAll(() => {
  const left = readdirSync(directory);
  rmSync(directory, { recursive: true, force: true });
  expect(left).toEqual([]);
});
