/** The helper program and the plan it carries out, natively: no emulator is needed to prove containment. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { ResourceUsage } from '../../src/events.ts';
import { runSandbox, type Outcome } from '../../src/sys/sandbox.ts';
import { stepPlan, type StepPlanOptions } from '../../src/sys/step-plan.ts';
import { ownIdentity } from '../../src/sys/identity.ts';
import { kernelSurface } from '../../src/sys/kernel-surface.ts';
import { mountTable } from '../support/host-state.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';

const BUSYBOX = '/bin/busybox';

/** A rootfs with a static busybox, and the directories of a step around it. */
function prepare(directory: string): StepPlanOptions {
  for (const name of ['upper', 'work', 'merged', 'l', 'stubs', 'image']) mkdirSync(join(directory, name));
  for (const name of ['dev', 'proc', 'sys', 'etc', 'tmp']) mkdirSync(join(directory, 'stubs', name));
  mkdirSync(join(directory, 'image/bin'));
  cpSync(BUSYBOX, join(directory, 'image/bin/busybox'));
  for (const name of [
    'sh',
    'cat',
    'ls',
    'mknod',
    'mount',
    'umount',
    'sleep',
    'id',
    'chroot',
    'kill',
    'chmod',
    'ln',
    'stat',
    'rm',
  ]) {
    symlinkSync('busybox', join(directory, 'image/bin', name));
  }
  symlinkSync(join(directory, 'stubs'), join(directory, 'l/0'));
  symlinkSync(join(directory, 'image'), join(directory, 'l/1'));
  return {
    scratch: directory,
    lowerCount: 2,
    isolation: { kind: 'private', entries: [] },
    network: 'host',
    hostname: 'test',
    binds: [],
    mounts: [],
    pipes: [],
    ...kernelSurface(),
    volatile: true,
    ids: ownIdentity(),
    terminal: undefined,
    user: { uid: 0, gid: 0, groups: [] },
    workdir: '/',
    environment: ['PATH=/bin'],
    argv: [],
  };
}

async function shell(options: StepPlanOptions, script: string): Promise<{ outcome: Outcome; text: string }> {
  const chunks: Buffer[] = [];
  const plan = stepPlan({ ...options, argv: ['/bin/sh', '-c', script] });
  const outcome = await runSandbox(plan, { onOutput: (_stream, data) => void chunks.push(data) });
  return { outcome, text: Buffer.concat(chunks).toString() };
}

const mountsNow = (): string[] => mountTable('/proc/self/mountinfo');

describeWithRoot('a sandbox', () => {
  it('says what the command and all that it started have used', async () => {
    await using scratch = await openScratch();
    const used: ResourceUsage[] = [];
    const busy = 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done';
    const plan = stepPlan({
      ...prepare(scratch.directory),
      argv: ['/bin/sh', '-c', `sh -c '${busy}'; exit 3`],
    });
    const outcome = await runSandbox(plan, { onUsage: (usage) => void used.push(usage) });
    expect([outcome, used.length]).toEqual([{ kind: 'exited', status: 3 }, 1]);
    expect(used[0]?.userMs).toBeGreaterThan(5);
    expect(used[0]?.peakBytes).toBeGreaterThan(100_000);
    expect(used[0]?.peakBytes).toBeLessThan(1e9);
  });

  it('runs the command and leaves no mount and no stub behind', async () => {
    await using scratch = await openScratch();
    const before = mountsNow();
    const { outcome } = await shell(prepare(scratch.directory), 'echo hi > /made');
    expect(outcome).toEqual({ kind: 'exited', status: 0 });
    expect(readdirSync(join(scratch.directory, 'upper'))).toEqual(['made']);
    expect(mountsNow()).toEqual(before);
  });

  it.each([
    { name: 'an exit status', script: 'exit 125', outcome: { kind: 'exited', status: 125 } },
    { name: 'a signal', script: 'kill -9 $$', outcome: { kind: 'signaled', signal: 'SIGKILL' } },
  ])('reports $name', async ({ script, outcome }) => {
    await using scratch = await openScratch();
    expect((await shell(prepare(scratch.directory), script)).outcome).toEqual(outcome);
  });

  it('ends what the command left running', async () => {
    await using scratch = await openScratch();
    const start = performance.now();
    const { outcome } = await shell(
      prepare(scratch.directory),
      '(sleep 300 &) ; (sh -c "sleep 300 & sleep 300" &) ; exit 3',
    );
    expect(outcome).toEqual({ kind: 'exited', status: 3 });
    expect(performance.now() - start).toBeLessThan(20_000);
  });

  it.each([
    ['mknod of a block device', 'mknod /d b 8 0'],
    ['a mount', 'mount -t tmpfs x /tmp'],
    ['unmounting what is masked', 'umount /proc/sys/fs/binfmt_misc || umount /sys/firmware'],
    ['writing /proc/sys', 'echo x > /proc/sys/kernel/core_pattern'],
    ['writing sysrq-trigger', 'echo h > /proc/sysrq-trigger'],
    ['writing /sys', 'echo x > /sys/kernel/uevent_helper'],
    ['registering an interpreter', 'echo :x:E::x::/bin/sh: > /proc/sys/fs/binfmt_misc/register'],
    ['entering the root of pid 1', 'cd /proc/1/root'],
    [
      'reading the descriptors of pid 1',
      'cat /proc/1/fd/0 && ls -l /proc/1/fd | sh -c "! ls -l /proc/1/fd/0"',
    ],
  ])('refuses %s', async (_what, script) => {
    await using scratch = await openScratch();
    const { outcome } = await shell(prepare(scratch.directory), script);
    expect(outcome).not.toEqual({ kind: 'exited', status: 0 });
  });

  it('cannot be left through a second chroot', async () => {
    await using scratch = await openScratch();
    const escape =
      'cd / && ln -s /bin /tmp/x; chroot /tmp /bin/sh -c true; cd ../../../../../..; ls -d work/main etc/passwd usr';
    const { outcome } = await shell(prepare(scratch.directory), escape);
    expect(outcome).not.toEqual({ kind: 'exited', status: 0 });
  });

  it('gives the command three open descriptors and fourteen capabilities', async () => {
    await using scratch = await openScratch();
    const { text } = await shell(prepare(scratch.directory), 'ls /proc/self/fd; cat /proc/self/status');
    expect(text.split('\n').slice(0, 4)).toEqual(['0', '1', '2', '3']); // 3 is the listing's own
    for (const set of ['CapPrm', 'CapEff', 'CapBnd']) expect(text).toContain(`${set}:\t00000000a80425fb`);
    for (const set of ['CapInh', 'CapAmb']) expect(text).toContain(`${set}:\t0000000000000000`);
  });

  it('drops capabilities with the user and keeps groups', async () => {
    await using scratch = await openScratch();
    const options = {
      ...prepare(scratch.directory),
      user: { uid: 1000, gid: 100, groups: [100, 4_000_000_000] },
    };
    const { text } = await shell(options, 'cat /proc/self/status');
    expect(text).toContain('CapEff:\t0000000000000000');
    expect(text).toMatch(/Groups:\s+100 4000000000/);
  });

  it('has only the loopback interface, up, with --network none', async () => {
    await using scratch = await openScratch();
    const { text } = await shell(
      { ...prepare(scratch.directory), network: 'none' },
      'cat /proc/net/dev; cat /proc/net/if_inet6; ls /sys/class/net',
    );
    expect(text.match(/^\s*\w+:/gm)?.map((name) => name.trim())).toEqual(['lo:']);
  });

  it('says which operation the kernel refused', async () => {
    await using scratch = await openScratch();
    const options = prepare(scratch.directory);
    await expect(runSandbox(stepPlan({ ...options, argv: ['/bin/none'] }))).rejects.toMatchObject({
      code: 'SANDBOX',
      errno: 'ENOENT',
      operation: { op: 'exec' },
    });
  });

  it('is killed by its signal, with everything in it', async () => {
    await using scratch = await openScratch();
    const controller = new AbortController();
    const marker = `sleep 31${process.pid % 1000}`;
    const plan = stepPlan({
      ...prepare(scratch.directory),
      argv: ['/bin/sh', '-c', `${marker} & ${marker}`],
    });
    const running = runSandbox(plan, { signal: controller.signal, onOutput: () => undefined });
    await sleep(300);
    expect(processesWith(marker)).not.toEqual([]);
    controller.abort();
    await expect(running).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(processesWith(marker)).toEqual([]);
  });

  it('leaves nothing behind whenever it is killed, while it starts too', async () => {
    await using scratch = await openScratch();
    const marker = `sleep 33${process.pid % 1000}`;
    for (let attempt = 0; attempt < 120; attempt += 1) {
      const directory = scratch.path(String(attempt));
      mkdirSync(directory);
      const plan = stepPlan({ ...prepare(directory), argv: ['/bin/sh', '-c', marker] });
      const controller = new AbortController();
      const running = runSandbox(plan, { signal: controller.signal, onOutput: () => undefined });
      const ended = expect(running).rejects.toMatchObject({ code: 'INTERRUPTED' });
      await sleep((attempt % 40) / 8); // from 0 to 5 ms: through every moment of the start
      controller.abort();
      await ended;
    }
    await sleep(100);
    expect(processesWith(marker)).toEqual([]);
  }, 60_000);

  it('dies with a parent that is killed', async () => {
    await using scratch = await openScratch();
    const marker = `sleep 32${process.pid % 1000}`;
    const { encodePlan } = await import('../../src/sys/plan.ts');
    const { nativeProgram } = await import('../../src/sys/native.ts');
    const plan = join(scratch.directory, 'plan');
    writeFileSync(
      plan,
      encodePlan(
        stepPlan({ ...prepare(scratch.directory), argv: ['/bin/sh', '-c', `${marker} & ${marker}`] }),
      ),
    );
    const parent = spawn('/bin/sh', ['-c', `"${nativeProgram('sandbox')}" $$ 3<"${plan}" 4>/dev/null; true`]);
    await sleep(500);
    expect(processesWith(marker)).not.toEqual([]);
    parent.kill('SIGKILL');
    await sleep(300);
    expect(processesWith(marker)).toEqual([]);
  });
});

function processesWith(commandLine: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    const path = `/proc/${pid}/cmdline`;
    if (!/^\d+$/.test(pid) || !existsSync(path)) return false;
    try {
      return readFileSync(path, 'utf8').replaceAll('\0', ' ').trim() === commandLine;
    } catch {
      return false;
    }
  });
}
