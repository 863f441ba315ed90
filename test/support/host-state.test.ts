import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { captureHostState, diffHostState, type HostState } from './host-state.ts';
import { openScratch } from './scratch.ts';

const CLEAN: HostState = { mounts: ['a / ext4', 'b /x tmpfs'], binfmt: {}, processes: [], temporary: [] };

const CHANGES: readonly {
  name: string;
  before?: Partial<HostState>;
  after: Partial<HostState>;
  says: string[];
}[] = [
  { name: 'nothing', after: {}, says: [] },
  {
    name: 'a new mount',
    after: { mounts: [...CLEAN.mounts, 'overlay /m overlay'] },
    says: ['mount appeared: overlay /m overlay'],
  },
  {
    name: 'a second mount like one of before',
    after: { mounts: [...CLEAN.mounts, 'b /x tmpfs'] },
    says: ['mount appeared: b /x tmpfs'],
  },
  { name: 'a lost mount', after: { mounts: ['a / ext4'] }, says: ['mount disappeared: b /x tmpfs'] },
  {
    name: 'a registry that got mounted',
    before: { binfmt: 'not mounted' },
    after: { binfmt: { status: 'enabled\n' } },
    says: ['binfmt entry appeared: status: enabled', 'binfmt entry disappeared: not mounted'],
  },
  {
    name: 'a new binfmt entry',
    after: { binfmt: { 'qemu-aarch64': 'enabled\nflags: F\n' } },
    says: ['binfmt entry appeared: qemu-aarch64: enabled, flags: F'],
  },
  {
    name: 'an entry that was switched off',
    before: { binfmt: { e: 'enabled' } },
    after: { binfmt: { e: 'disabled' } },
    says: ['binfmt entry appeared: e: disabled', 'binfmt entry disappeared: e: enabled'],
  },
  { name: 'a process left', after: { processes: ['7 qemu'] }, says: ['process appeared: 7 qemu'] },
  { name: 'a process that ended', before: { processes: ['7 qemu'] }, after: {}, says: [] },
  { name: 'a file left', after: { temporary: ['/tmp/x'] }, says: ['temporary file appeared: /tmp/x'] },
];

describe('diffHostState', () => {
  it.each(CHANGES)('sees $name', ({ before, after, says }) => {
    expect(diffHostState({ ...CLEAN, ...before }, { ...CLEAN, ...after })).toEqual(says);
  });
});

describe('captureHostState', () => {
  const nowhere = `/nowhere-${randomUUID()}`; // a name that no other process has

  it('is the same twice when nothing happens', async () => {
    await using scratch = await openScratch('state');
    const options = { directory: scratch.directory };
    expect(diffHostState(captureHostState(options), captureHostState(options))).toEqual([]);
  });

  it('sees a child', async () => {
    const before = captureHostState({ directory: nowhere });
    const child = spawn('sleep', ['61']);
    await once(child, 'spawn');
    const found = diffHostState(before, captureHostState({ directory: nowhere }));
    child.kill();
    await once(child, 'exit');
    expect(found).toEqual([`process appeared: ${String(child.pid)} sleep 61`]);
    expect(diffHostState(before, captureHostState({ directory: nowhere }))).toEqual([]);
  });

  it.each([
    { name: 'works in the directory', script: 'cd "$1" && exec env -i sleep 62' },
    { name: 'has it in its environment', script: 'cd / && export PLACE="$1" && exec sleep 62' },
    { name: 'has it on its command line', script: 'cd / && exec env -i sh -c "sleep 62; :" "$1"' },
  ])('sees an orphan that $name', async ({ script }) => {
    await using scratch = await openScratch('state');
    const options = { directory: scratch.directory };
    const before = captureHostState(options);
    const orphan = startOrphan(script, scratch.directory);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const found = diffHostState(before, captureHostState(options));
    process.kill(-orphan, 'SIGKILL');
    expect(found.some((line) => line.startsWith(`process appeared: ${String(orphan)} `))).toBe(true);
  });

  it('sees what is left in a directory for temporary files', async () => {
    await using scratch = await openScratch('state');
    const options = { directory: scratch.directory, temporaryDirectories: [scratch.path('store/tmp')] };
    const before = captureHostState(options);
    await mkdir(scratch.path('store/tmp/session-1'), { recursive: true });
    expect(diffHostState(before, captureHostState(options))).toEqual([
      `temporary file appeared: ${scratch.path('store/tmp/session-1')}`,
    ]);
  });

  it('sees a directory of ours in the place of the host for temporary files', async () => {
    const before = captureHostState({ directory: nowhere });
    await using scratch = await openScratch('left');
    expect(diffHostState(before, captureHostState({ directory: nowhere }))).toContain(
      `temporary file appeared: ${scratch.directory}`,
    );
  });
});

/** The id of a process that leads its own session and whose parent is not of the tests any more. */
function startOrphan(script: string, directory: string): number {
  const start = 'setsid sh -c "$1" orphan "$2" >/dev/null 2>&1 & echo $!';
  const { stdout } = spawnSync('sh', ['-c', start, 'start', script, directory], { encoding: 'utf8' });
  return Number(stdout);
}
