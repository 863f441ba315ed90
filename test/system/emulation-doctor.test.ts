import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runDoctor as diagnose, type DoctorOptions, type DoctorReport } from '../../src/emulation/doctor.ts';
import { RUNGS } from '../../src/emulation/emulation-request.ts';
import { pinnedPackages } from '../../src/emulation/pins.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { writeProgram, tinyProgram } from '../emulation/tiny-program.ts';
import { mountTable } from '../support/host-state.ts';
import { fetchedEmulators, testStore } from './fetched-emulators.ts';

const runDoctor = async (asked: DoctorOptions): Promise<DoctorReport> => (await diagnose(asked)).report;

let empty: string;
let scratch: string;
let options: DoctorOptions;
beforeAll(async () => {
  await fetchedEmulators(pinnedPackages()[0]!.version);
});
beforeEach(() => {
  empty = mkdtempSync(join(tmpdir(), 'doctor-'));
  scratch = mkdtempSync(join(tmpdir(), 'doctor-scratch-'));
  options = {
    storeDirectory: testStore,
    environment: { PATH: process.env['PATH'] },
    makeDirectory: (prefix) => mkdtempSync(join(scratch, prefix)),
    signal: new AbortController().signal,
  };
  return () => {
    for (const directory of [empty, scratch]) rmSync(directory, { recursive: true, force: true });
  };
});

const mountsNow = (): string[] => mountTable('/proc/self/mountinfo');
const before = mountsNow();
afterAll(() => {
  expect(mountsNow()).toEqual(before);
});

describe('doctor on this host', () => {
  it('says that the usual platforms can be built, and how', async () => {
    const { platforms } = await runDoctor(options);
    expect(platforms.map(({ platform }) => platform)).toEqual(
      'amd64 386 arm64 arm/v7 riscv64 ppc64le s390x loong64 mips64le'
        .split(' ')
        .map((name) => `linux/${name}`),
    );
    expect(platforms[0]).toMatchObject({ buildable: true, rung: 'native' });
    const arm64 = platforms.find(({ platform }) => platform === 'linux/arm64')!;
    expect(arm64).toMatchObject({ asked: false, emulator: { version: pinnedPackages()[0]!.version } });
    expect(arm64.millisecondsPerProgram).toBeGreaterThan(0);
    expect(arm64.millisecondsPerProgram).toBeLessThan(1000);
  });

  it('found out by trying what the kernel can do', async () => {
    const { checks } = await runDoctor(options);
    const state = (id: string): unknown => checks.find((check) => check.id === id)?.state;
    for (const id of [
      'machine',
      'user-namespace',
      'private-binfmt',
      'overlay',
      'user-ids',
      'binfmt-kernel',
      'store',
    ]) {
      expect([id, state(id)]).toEqual([id, 'ok']);
    }
  });

  it('is one JSON document', async () => {
    const report = await runDoctor(options);
    expect(JSON.parse(JSON.stringify(report))).toMatchObject({
      state: report.state,
      platforms: expect.any(Array) as unknown,
    });
  });

  it('makes no store, and leaves nothing where it would be', async () => {
    const storeDirectory = join(empty, 'a/b/store');
    const { platforms } = await runDoctor({
      ...options,
      storeDirectory,
      platforms: [parsePlatform('linux/arm64')],
    });
    expect(existsSync(join(empty, 'a'))).toBe(false);
    expect(readdirSync(empty)).toEqual([]);
    expect(platforms).toHaveLength(1);
  });

  it('fails for a platform that was asked for and has no emulator', async () => {
    const asked = {
      ...options,
      storeDirectory: empty,
      environment: {},
      platforms: [parsePlatform('linux/hppa'), parsePlatform('windows/amd64')],
    };
    const { state, platforms, checks } = await runDoctor(asked);
    expect(state).toBe('fail');
    expect(platforms.map(({ buildable }) => buildable)).toEqual([false, false]);
    expect(platforms[1]?.reasons).toEqual(['no emulator runs programs of this platform']);
    expect(checks.filter(({ id }) => id === 'emulator')).toEqual([
      expect.objectContaining({ state: 'fail', fix: expect.stringContaining('fetch hppa') as string }),
    ]);
  });

  it('tries the emulator: one that only looks right is found out', async () => {
    writeProgram(join(empty, 'qemu-hppa'), tinyProgram({ prints: 'qemu-hppa version 9.0.0 (false)\n' }));
    const { checks } = await runDoctor({
      ...options,
      emulators: [join(empty, 'qemu-hppa')],
      platforms: [parsePlatform('linux/hppa')],
    });
    const [finding] = checks.filter(({ id }) => id === 'emulator');
    expect(finding).toMatchObject({
      state: 'fail',
      why: expect.stringMatching(/exit status 0 instead of 42/) as string,
    });
  });

  it('tries every rung that changes nothing, for every machine, and measures it', async () => {
    const names = ['linux/amd64', 'linux/arm64', 'linux/riscv64'];
    const { platforms } = await runDoctor({
      ...options,
      platforms: names.map((name) => parsePlatform(name)),
    });
    expect(platforms.map(({ rung }) => rung)).toEqual(['native', 'private', 'private']);
    for (const { rungs } of platforms.slice(1)) {
      expect(rungs.map(({ rung }) => rung)).toEqual([...RUNGS]);
      expect(rungs[0]).toMatchObject({ works: true });
      expect(rungs[0]?.millisecondsPerStep).toBeGreaterThan(1);
      expect(rungs.find(({ rung }) => rung === 'host')).toMatchObject({
        works: undefined,
        why: expect.stringMatching(/^not tried/) as string,
      });
    }
  });

  it('tells of variables that would steer emulators, and is not steered itself', async () => {
    process.env['QEMU_VERSION'] = '1';
    try {
      const environment = { ...options.environment, QEMU_VERSION: '1' };
      const { checks, platforms } = await runDoctor({
        ...options,
        environment,
        platforms: [parsePlatform('linux/arm64')],
      });
      expect(checks.find(({ id }) => id === 'emulator-variables')?.found).toContain('QEMU_VERSION');
      expect(checks.find(({ id }) => id === 'emulator')?.state).toBe('ok');
      expect(platforms[0]?.emulator).toBeDefined();
    } finally {
      delete process.env['QEMU_VERSION'];
    }
  });
});
