/** `run` natively: an image of a static shell; what it is started with, and that nothing of a run stays. */
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { BaseImage } from '../../src/build/base-image.ts';
import { runImage, type RunOptions } from '../../src/build/run-image.ts';
import { DEFAULT_SETTINGS } from '../../src/build/step-settings.ts';
import { openEmulation } from '../../src/emulation/ladder.ts';
import { hashLayer } from '../../src/layer/write-layer.ts';
import { digestOfDiffId } from '../../src/oci/digest.ts';
import { emptyImageConfig, type ContainerConfig } from '../../src/oci/image-config.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import type { Outcome } from '../../src/sys/sandbox.ts';
import { describeWith } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';

const APPLETS = ['sh', 'cat', 'echo', 'env', 'id', 'pwd', 'ls', 'touch'];

interface Shop extends AsyncDisposable {
  readonly scratch: Scratch;
  readonly store: Store;
  run(config: ContainerConfig, options?: Partial<RunOptions>): Promise<{ outcome: Outcome; output: string }>;
}

async function openShop(): Promise<Shop> {
  const scratch = await openScratch('run');
  const store = await openStore(scratch.path('store'));
  const staged = store.makeDirectory('commit');
  const fs = join(staged, 'fs');
  for (const name of ['bin', 'etc', 'home']) mkdirSync(join(fs, name), { recursive: true });
  cpSync('/bin/busybox', join(fs, 'bin/busybox'));
  for (const name of APPLETS) symlinkSync('busybox', join(fs, 'bin', name));
  writeFileSync(join(fs, 'etc/passwd'), 'root:x:0:0::/root:\nuser:x:1000:1001::/home/user:\n');
  writeFileSync(join(fs, 'etc/group'), 'extra:x:50:user\n');
  const { diffId, size } = await hashLayer(fs, { includeRoot: false });
  const { chainId } = store.snapshots.commit(
    staged,
    { diffId, size, includeRoot: false },
    { regenerable: true },
  );
  const { signal } = new AbortController();
  const report = (): void => undefined;
  const platform = { os: 'linux', architecture: 'amd64' };
  const image = (config: ContainerConfig): BaseImage => ({
    config: { ...emptyImageConfig(platform), config, rootfs: { type: 'layers', diff_ids: [diffId] } },
    layers: [{ mediaType: MEDIA_TYPES.ociLayer, digest: digestOfDiffId(diffId), size }],
    chain: [chainId],
  });
  const run: Shop['run'] = async (config, options = {}) => {
    await using emulation = openEmulation({
      platforms: [platform],
      isolation: 'auto',
      accelerate: 'off',
      emulator: undefined,
      cpu: undefined,
      storeDirectory: store.layout.root,
      environment: {},
      makeDirectory: (prefix) => store.makeDirectory(prefix),
      report,
      signal,
    });
    const chunks: Buffer[] = [];
    const outcome = await runImage({ store, report, signal }, image(config), {
      emulation,
      twins: { mounts: () => Promise.resolve([]) },
      options: {
        command: [],
        entrypoint: undefined,
        env: new Map(),
        user: undefined,
        workdir: undefined,
        volumes: [],
        network: 'none',
        group: DEFAULT_SETTINGS.group,
        noNewPrivileges: false,
        masks: DEFAULT_SETTINGS.masks,
        terminal: false,
        streams: { onOutput: (_stream, data) => void chunks.push(data) },
        ...options,
      },
    });
    return { outcome, output: Buffer.concat(chunks).toString() };
  };
  return {
    scratch,
    store,
    run,
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await scratch[Symbol.asyncDispose]();
    },
  };
}

describeWith(['root', 'overlay', 'user-namespaces'], 'running an image', () => {
  it.each<[string, ContainerConfig, Partial<RunOptions>, string]>([
    ['its Cmd', { Cmd: ['echo', 'cmd'] }, {}, 'cmd'],
    ['its Entrypoint and Cmd', { Entrypoint: ['echo', 'e'], Cmd: ['c'] }, {}, 'e c'],
    ['words instead of Cmd', { Entrypoint: ['echo', 'e'], Cmd: ['c'] }, { command: ['w', 'x y'] }, 'e w x y'],
    [
      'another entrypoint, which drops Cmd',
      { Entrypoint: ['cat'], Cmd: ['c'] },
      { entrypoint: ['echo', 'n'] },
      'n',
    ],
    ['no entrypoint', { Entrypoint: ['cat'] }, { entrypoint: [], command: ['echo', 'x'] }, 'x'],
    [
      'its environment',
      { Env: ['A=1', 'B=2'], Cmd: ['sh', '-c', 'echo $A$B$C'] },
      {
        env: new Map([
          ['B', '3'],
          ['C', '4'],
        ]),
      },
      '134',
    ],
    ['a PATH of its own', { Env: ['PATH=/bin'], Cmd: ['sh', '-c', 'echo $PATH'] }, {}, '/bin'],
    ['its working directory', { WorkingDir: '/home', Cmd: ['pwd'] }, {}, '/home'],
    ['another working directory', { WorkingDir: '/home', Cmd: ['pwd'] }, { workdir: '/etc' }, '/etc'],
    [
      'its user, with groups and home',
      { User: 'user', Cmd: ['sh', '-c', 'id -u; id -g; id -G; echo $HOME'] },
      {},
      '1000\n1001\n1001 50\n/home/user',
    ],
    ['another user', { User: 'user', Cmd: ['sh', '-c', 'id -u; id -G'] }, { user: '7:8' }, '7\n8'],
    ['a home that was set', { Env: ['HOME=/x'], Cmd: ['sh', '-c', 'echo $HOME'] }, {}, '/x'],
  ])('starts %s', async (_what, config, ...[options, expected]) => {
    await using shop = await openShop();
    const { outcome, output } = await shop.run(config, options);
    expect(outcome).toEqual({ kind: 'exited', status: 0 });
    expect(output.trimEnd()).toBe(expected);
  });

  it('throws away what it wrote', async () => {
    await using shop = await openShop();
    await shop.run({}, { command: ['sh', '-c', 'touch /made /bin/made; echo x > /etc/passwd'] });
    const { output } = await shop.run({}, { command: ['sh', '-c', 'ls /; cat /etc/passwd'] });
    expect(output).not.toContain('made');
    expect(output).toContain('user:x:1000');
    const [snapshot] = shop.store.snapshots.list();
    expect(readdirSync(shop.store.layout.snapshotTree(snapshot!.chainId)).sort()).toEqual([
      'bin',
      'etc',
      'home',
    ]);
  });

  it('shows files and directories of the host, writable or not', async () => {
    await using shop = await openShop();
    const source = shop.scratch.path('shared');
    mkdirSync(source);
    const file = await shop.scratch.write('file', 'of the host\n');
    const volumes = [
      { source, target: '/data', readOnly: false },
      { source, target: '/new/deep/ro', readOnly: true },
      { source: file, target: '/etc/file', readOnly: true },
    ];
    const script =
      'cat /etc/file; echo written > /data/out; echo no > /new/deep/ro/out; echo $?; echo no > /etc/file; echo $?';
    const { output } = await shop.run({}, { command: ['sh', '-c', script], volumes });
    expect(output.split('\n').filter((line) => !line.includes("can't create"))).toEqual([
      'of the host',
      '1',
      '1',
      '',
    ]);
    expect(readFileSync(join(source, 'out'), 'utf8')).toBe('written\n');
    expect(readFileSync(file, 'utf8')).toBe('of the host\n');
  });

  it.each<[string, ContainerConfig, Partial<RunOptions>, string]>([
    ['names no program', {}, {}, 'USAGE'],
    ['has no such program', { Cmd: ['/none'] }, {}, 'RUN_FAILED'],
    ['has no such user', { Cmd: ['id'], User: 'nosuch' }, {}, 'USER_UNKNOWN'],
    [
      'is to show what the host has not',
      { Cmd: ['id'] },
      { volumes: [{ source: '/nonexistent', target: '/x', readOnly: true }] },
      'USAGE',
    ],
    [
      'is to show a file over a directory',
      { Cmd: ['id'] },
      { volumes: [{ source: '/etc/passwd', target: '/bin', readOnly: true }] },
      'SANDBOX',
    ],
  ])('is an error when it %s', async (_what, config, ...[options, code]) => {
    await using shop = await openShop();
    await expect(shop.run(config, options)).rejects.toMatchObject({ code });
  });

  it.each([
    ['exit 42', { kind: 'exited', status: 42 }],
    ['kill -TERM $$', { kind: 'signaled', signal: 'SIGTERM' }],
  ])('ends as the program does: %s', async (script, outcome) => {
    await using shop = await openShop();
    expect((await shop.run({}, { command: ['sh', '-c', script] })).outcome).toEqual(outcome);
  });
});
