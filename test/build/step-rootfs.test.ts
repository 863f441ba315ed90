/** The directories of a sandbox: mount points land in the stub layer and inside the rootfs, whatever the image says. */
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { prepareRootfs, writeHostFiles, type StepRootfs } from '../../src/build/step-rootfs.ts';
import { ArchBuildError } from '../../src/errors.ts';
import { makeNode, S_IFIFO } from '../../src/sys/special-file.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';

const hosts = { source: '/etc/hosts', target: '/etc/hosts', readOnly: true, kind: 'file' } as const;

function prepare(scratch: Scratch, binds: Parameters<typeof prepareRootfs>[2] = [hosts]): StepRootfs {
  mkdirSync(scratch.path('step'));
  return prepareRootfs(scratch.path('step'), [scratch.path('image')], binds);
}

const stub = (scratch: Scratch, path: string): string => scratch.path('step/stubs', path);
const refusal = expect.objectContaining({ code: 'SANDBOX' }) as Error;

describeWithRoot('the rootfs of a step', () => {
  it('has stubs for what an empty image lacks, and links to the layers, topmost first', async () => {
    await using scratch = await openScratch();
    mkdirSync(scratch.path('image'), { mode: 0o750 });
    const rootfs = prepare(scratch);
    expect(rootfs).toMatchObject({ lowerCount: 2, upper: scratch.path('step/upper'), binds: [hosts] });
    expect(readdirSync(stub(scratch, '')).sort()).toEqual(['dev', 'etc', 'proc', 'sys']);
    expect(lstatSync(stub(scratch, 'etc/hosts')).isFile()).toBe(true);
    expect(readlinkSync(scratch.path('step/l/0'))).toBe(stub(scratch, ''));
    expect(readlinkSync(scratch.path('step/l/1'))).toBe(scratch.path('image'));
    for (const name of ['upper', 'stubs'])
      expect(statSync(scratch.path('step', name)).mode & 0o7777).toBe(0o750);
    expect(readdirSync(rootfs.upper)).toEqual([]);
  });

  it('makes no stub for what is there', async () => {
    await using scratch = await openScratch();
    for (const name of ['dev', 'proc', 'sys', 'etc'])
      mkdirSync(scratch.path('image', name), { recursive: true });
    await scratch.write('image/etc/hosts', 'of the image');
    prepare(scratch);
    expect(readdirSync(stub(scratch, ''))).toEqual([]);
    expect(readFileSync(scratch.path('image/etc/hosts'), 'utf8')).toBe('of the image');
  });

  it('follows symlinks inside the rootfs and never out of it', async () => {
    await using scratch = await openScratch();
    mkdirSync(scratch.path('image/etc'), { recursive: true });
    symlinkSync('/../../../../run/resolve/hosts', scratch.path('image/etc/hosts'));
    expect(prepare(scratch).binds).toEqual([{ ...hosts, target: '/run/resolve/hosts' }]);
    expect(lstatSync(stub(scratch, 'run/resolve/hosts')).isFile()).toBe(true);
  });

  it.each(['/dev/null', '../proc/net/pnp', '/sys/kernel/uevent_helper'])(
    'mounts nothing where a symlink of the image leads to %s, which is the kernel’s',
    async (target) => {
      await using scratch = await openScratch();
      mkdirSync(scratch.path('image/etc'), { recursive: true });
      symlinkSync(target, scratch.path('image/etc/hosts'));
      expect(prepare(scratch).binds).toEqual([]);
      expect(readdirSync(stub(scratch, '')).sort()).toEqual(['dev', 'proc', 'sys']);
    },
  );

  it('mounts below /dev what is asked for by that name', async () => {
    await using scratch = await openScratch();
    mkdirSync(scratch.path('image'));
    const named = { ...hosts, target: '/dev/extra' };
    expect(prepare(scratch, [named]).binds).toEqual([named]);
  });

  it('follows a directory that is a symlink to the root', async () => {
    await using scratch = await openScratch();
    mkdirSync(scratch.path('image'));
    symlinkSync('/', scratch.path('image/etc'));
    expect(prepare(scratch).binds).toEqual([{ ...hosts, target: '/hosts' }]);
  });

  it.each([
    ['a directory', (path: string) => mkdirSync(path)],
    ['a symlink in a circle', (path: string) => symlinkSync('hosts', path)],
  ])('is refused when the file to bind on is %s', async (_name, make) => {
    await using scratch = await openScratch();
    mkdirSync(scratch.path('image/etc'), { recursive: true });
    make(scratch.path('image/etc/hosts'));
    expect(() => prepare(scratch)).toThrow(ArchBuildError);
  });

  it('binds over a FIFO, which nobody opens', async () => {
    await using scratch = await openScratch();
    mkdirSync(scratch.path('image/etc'), { recursive: true });
    makeNode(scratch.path('image/etc/hosts'), S_IFIFO | 0o644);
    expect(prepare(scratch).binds).toEqual([hosts]);
  });

  it.each(['dev', 'proc', 'sys'])('is refused when /%s is a symlink', async (name) => {
    await using scratch = await openScratch();
    mkdirSync(scratch.path('image/tmp'), { recursive: true });
    symlinkSync('/tmp', scratch.path('image', name));
    expect(() => prepare(scratch)).toThrow(refusal);
  });

  it('is refused when /proc is a file', async () => {
    await using scratch = await openScratch();
    await scratch.write('image/proc', '');
    expect(() => prepare(scratch)).toThrow(refusal);
  });

  it('has the files of the step beside it', async () => {
    await using scratch = await openScratch();
    writeHostFiles(scratch.directory, { hosts: 'a', 'resolv.conf': 'b' });
    expect(readFileSync(join(scratch.directory, 'resolv.conf'), 'utf8')).toBe('b');
  });
});
