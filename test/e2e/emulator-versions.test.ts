/** Which version of an emulator a build takes, what its record says, and what happens when the emulator crashes. */
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EmulationRecord } from '../../src/emulation/emulation-record.ts';
import type { Cli } from '../support/cli.ts';
import { captureCliState, diffHostState } from '../support/host-state.ts';
import { describeWith } from '../support/requires.ts';
import { busyboxRootfs, fetchEmulators, openBusyboxCli, TEST_EMULATORS } from './bases.ts';
import { makeCrashingEmulator } from './crashing-emulator.ts';
import { build, tryBuild } from './projects.ts';
import { closeVerified } from './verified.ts';

let cli: Cli;

beforeAll(async () => {
  cli = await openBusyboxCli();
  await fetchEmulators(['aarch64', 'loongarch64']);
});
afterAll(() => closeVerified(cli));

const BINFMT_STATUS = '/proc/sys/fs/binfmt_misc/status';
const programOf = (version: string): string => join(TEST_EMULATORS, version, 'qemu-aarch64');

/** What the build wrote about its emulation to --metadata-file, which is what the store's record has too. */
function recordOf(metadata: string): EmulationRecord {
  const { 'arch-build.emulation': told, 'arch-build.record': name } = JSON.parse(
    readFileSync(metadata, 'utf8'),
  ) as { 'arch-build.emulation': EmulationRecord; 'arch-build.record': string };
  const kept = JSON.parse(readFileSync(join(cli.root, 'builds', name), 'utf8')) as { emulation: unknown };
  expect(kept.emulation).toEqual(told);
  return told;
}

interface Meeting extends AsyncDisposable {
  readonly port: number;
  /** The emulators that ran when everybody was there and nobody had an answer yet. */
  readonly emulators: Promise<readonly string[]>;
}

/** Answers nobody until `count` have asked: who gets an answer has run at the same time as the others. */
async function openMeeting(count: number): Promise<Meeting> {
  const waiting: ServerResponse[] = [];
  const server = createServer();
  const emulators = new Promise<readonly string[]>((resolve) => {
    server.on('request', (_, response) => {
      waiting.push(response);
      if (waiting.length < count) return;
      resolve(runningEmulators());
      for (const each of waiting) each.end('met\n');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    emulators,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The programs of this machine's processes that are emulators of the tests. */
function runningEmulators(): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const program = /^\d+$/.test(pid) ? readlinkSync(`/proc/${pid}/exe`) : '';
      return program.startsWith(TEST_EMULATORS) ? [program] : [];
    } catch {
      return []; // it has ended
    }
  });
}

describeWith(['root', 'private-binfmt'], 'two versions of one emulator', () => {
  it('run at the same time in two builds, and the host’s table stays empty', async () => {
    const before = captureCliState(cli);
    const mounted = existsSync(BINFMT_STATUS);
    await using meeting = await openMeeting(2);
    const kubefile = `FROM busybox\nRUN uname -m && wget -qO- http://127.0.0.1:${meeting.port}/\n`;
    const start = (version: string): ReturnType<typeof build> => {
      const metadata = cli.scratch.path(`${version}.json`);
      const args = ['--no-cache', '--emulator', version, '--metadata-file', metadata];
      return build(cli, `met:${version}`, { kubefile, args, folder: version });
    };
    const builds = Promise.all([start('7.2'), start('10.0.13')]);
    const running = await Promise.race([meeting.emulators, builds.then(() => [])]);
    expect(new Set(running)).toEqual(new Set([programOf('7.2.22'), programOf('10.0.13')]));
    expect(existsSync(BINFMT_STATUS)).toBe(mounted);
    for (const { log } of await builds) expect(log).toMatch(/\] aarch64$[^]*\] met$/m);
    for (const [asked, version] of [
      ['7.2', '7.2.22'],
      ['10.0.13', '10.0.13'],
    ] as const) {
      const { rung, emulators } = recordOf(cli.scratch.path(`${asked}.json`));
      expect(rung).toBe('private');
      expect(emulators).toEqual([
        expect.objectContaining({ version, path: programOf(version), cpu: 'neoverse-n1' }),
      ]);
    }
    expect(diffHostState(before, captureCliState(cli))).toEqual([]);
  });

  it('serve two platforms of one build', async () => {
    await cli.run([
      'import',
      await busyboxRootfs('loong64'),
      'busybox:loong64',
      '--platform',
      'linux/loong64',
    ]);
    await cli.run(['tag', 'busybox', 'busybox:arm64']);
    const metadata = cli.scratch.path('both.json');
    await build(cli, 'both', {
      kubefile: 'FROM busybox:$TARGETARCH\nRUN uname -m\n',
      platforms: ['--emulate', 'aarch64,loongarch64'],
      args: ['--emulator', 'linux/arm64=7.2', '--metadata-file', metadata, '--no-cache'],
    });
    const versions = recordOf(metadata).emulators.map(({ arch, version }) => [arch, version]);
    expect(versions).toEqual([
      ['aarch64', '7.2.22'],
      ['loongarch64', '10.0.13'],
    ]);
  });
});

const VICTIM = '/usr/bin/seq';
const CRASHING = `FROM busybox
RUN echo begun >> /made && ${VICTIM} 3 >> /made
RUN ${VICTIM} 2 > /again
`;

describeWith(['root', 'private-binfmt', 'command:cc'], 'an emulator that crashes', () => {
  let kit: string;
  beforeAll(async () => {
    kit = cli.scratch.path('kit');
    for (const version of ['9.9.9', '9.9.8'])
      await makeCrashingEmulator({ folder: kit, version, real: programOf('7.2.22'), victim: VICTIM });
  });

  it('is named, with the versions there are', async () => {
    const { status, stderr } = await tryBuild(cli, 'x', {
      kubefile: CRASHING,
      args: ['--emulator', join(kit, '9.9.9'), '--no-cache'],
    });
    expect(status).toBe(1);
    expect(stderr).toContain(`it ran under qemu 9.9.9, ${join(kit, '9.9.9', 'qemu-aarch64')}`);
    expect(stderr).toMatch(
      /^hint: .*here are also 7\.2\.22, 10\.0\.13.*--emulator aarch64=7\.2\.22.*--emulator-retry/m,
    );
    expect(stderr).not.toMatch(/runs again/);
  });

  it('gives way to the next version, and to the one after that, from a clean start and for good', async () => {
    const metadata = cli.scratch.path('retry.json');
    const { log } = await build(cli, 'retried', {
      kubefile: CRASHING,
      args: ['--emulator', kit, '--emulator-retry', '--no-cache', '--metadata-file', metadata],
    });
    expect(log.match(/^warning: .*crashed.*$/gm)).toEqual([
      expect.stringMatching(/under qemu 9\.9\.9 for aarch64: it runs again with qemu 9\.9\.8/),
      expect.stringMatching(/under qemu 9\.9\.8 for aarch64: it runs again with qemu 7\.2\.22/),
    ]);
    expect(await cli.run(['run', 'retried', 'cat', '/made', '/again'])).toBe('begun\n1\n2\n3\n1\n2');
    const { emulators, crashed } = recordOf(metadata);
    expect(emulators).toEqual([expect.objectContaining({ version: '7.2.22', path: programOf('7.2.22') })]);
    expect(crashed.map(({ version }) => version)).toEqual(['9.9.9', '9.9.8']);
  });

  it('has no second try when the step fails for its own reasons', async () => {
    const { status, stderr } = await tryBuild(cli, 'x', {
      kubefile: 'FROM busybox\nRUN echo once; exit 1\n',
      args: ['--emulator', kit, '--emulator-retry', '--no-cache'],
    });
    expect(status).toBe(1);
    expect(stderr.match(/\] once$/gm)).toHaveLength(1);
    expect(stderr).not.toMatch(/runs again|qemu 7/);
  });

  it('ends the build when every version crashes', async () => {
    const kubefile = 'FROM busybox\nRUN kill -SEGV $$\n';
    const { status, stderr } = await tryBuild(cli, 'x', {
      kubefile,
      args: ['--emulator-retry', '--no-cache'],
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^warning: .*crashed under qemu 7\.2\.22.*again with qemu 10\.0\.13/m);
    expect(stderr).toMatch(/^error\[RUN_FAILED\].*ran under qemu/m);
  });
});

describeWith(['root', 'private-binfmt'], 'a CPU model that the emulator does not know', () => {
  it('is refused before the first step', async () => {
    const kubefile = 'FROM busybox\nRUN echo ran\n';
    const args = ['--no-cache', '--emulator-cpu', 'nonsense'];
    const { status, stderr } = await tryBuild(cli, 'x', { kubefile, args });
    expect(status).toBe(3);
    expect(stderr).toMatch(
      /^error\[EMULATOR_UNUSABLE\] qemu-aarch64 7\.2\.22 does not know the CPU model "nonsense"$/m,
    );
    expect(stderr).toMatch(/^hint: .*qemu-aarch64 -cpu help/m);
    expect(stderr).not.toMatch(/\] ran$/m);
  });

  it('is none when it is meant for another machine', async () => {
    const args = [
      '--no-cache',
      '--emulator-cpu',
      's390x=nonsense',
      '--emulator-cpu',
      'arm64=max,pauth-impdef=on',
    ];
    const metadata = cli.scratch.path('cpu.json');
    await build(cli, 'x', {
      kubefile: 'FROM busybox\nRUN true\n',
      args: [...args, '--metadata-file', metadata],
    });
    expect(recordOf(metadata).emulators[0]?.cpu).toBe('max,pauth-impdef=on');
  });
});
