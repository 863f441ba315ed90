/**
 * The emulation ladder with real emulators: each rung proves itself, tells why a better one was not taken, and leaves
 * the host as it was. The rungs of the host's table change it for a moment (see host-table.ts).
 */
import { mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ARCHITECTURES, architectureByName, type Architecture } from '../../src/emulation/architecture.ts';
import { FULL_FLAGS } from '../../src/emulation/binfmt-entry.ts';
import { readBinfmtState } from '../../src/emulation/binfmt-state.ts';
import type { EmulationRequest } from '../../src/emulation/emulation-request.ts';
import { findEmulators, type Emulator } from '../../src/emulation/emulators.ts';
import { openEmulation, type StepEmulation } from '../../src/emulation/ladder.ts';
import { pinnedPackages, type PinnedPackage } from '../../src/emulation/pins.ts';
import { registerOnHost } from '../../src/emulation/host-registration.ts';
import { registerBest } from '../../src/emulation/rung-registration.ts';
import { probeRung } from '../../src/emulation/rung-probe.ts';
import { RegistrationRefusal } from '../../src/emulation/binfmt/refusal.ts';
import type { BuildEvent } from '../../src/events.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { describeWith } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { fetchedEmulators } from '../system/fetched-emulators.ts';
import { hostTables, mountForeign, registerForeign, type HostTables } from './host-table.ts';

const arm64 = parsePlatform('linux/arm64');
const s390x = parsePlatform('linux/s390x');
const amd64 = parsePlatform('linux/amd64');
const aarch64 = architectureByName('aarch64')!;

let kit: ReadonlyMap<string, Emulator>;
let kitFolder: string;
beforeAll(async () => {
  kit = await fetchedEmulators(pinnedPackages()[0]!.version);
  kitFolder = join(kit.get('aarch64')!.path, '..');
});

interface Bench extends AsyncDisposable {
  readonly events: BuildEvent[];
  readonly scratch: Scratch;
  readonly request: (changes?: Partial<EmulationRequest>) => EmulationRequest;
  /** Undefined when the machine's probe runs as a step would run. */
  readonly probe: (machine: Architecture, step: StepEmulation) => Promise<string | undefined>;
}

async function openBench(): Promise<Bench> {
  const scratch = await openScratch('ladder');
  const events: BuildEvent[] = [];
  const { signal } = new AbortController();
  const makeDirectory = (prefix: string): string => mkdtempSync(join(scratch.directory, `${prefix}-`));
  return {
    events,
    scratch,
    request: (changes = {}) => ({
      platforms: [arm64],
      isolation: 'auto',
      accelerate: 'off',
      emulator: undefined,
      cpu: undefined,
      storeDirectory: scratch.path('store'),
      environment: { ARCH_BUILD_EMULATORS: kitFolder },
      makeDirectory,
      report: (event) => void events.push(event),
      signal,
      ...changes,
    }),
    probe: (machine, step) => {
      const environment = [...step.environmentOf(new Map())].map(([name, value]) => `${name}=${value}`);
      return probeRung(machine, {
        scratch: makeDirectory('try'),
        isolation: step.isolation,
        environment,
        signal,
      });
    },
    [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose](),
  };
}

const textsOf = (events: readonly BuildEvent[], type: 'info' | 'warning'): string[] =>
  events.flatMap((event) => (event.type === type ? [event.text] : []));
const hostEntries = (): string[] => readBinfmtState().entries.map(({ name }) => name);

describeWith(['root', 'private-binfmt'], 'the ladder', () => {
  let before: HostTables;
  beforeEach(() => {
    before = hostTables();
  });
  afterEach(() => {
    expect(hostTables()).toEqual(before);
  });

  it.each(['auto', 'private'] as const)(
    'takes the private rung with %s and does not touch the host',
    async (isolation) => {
      await using bench = await openBench();
      await using emulation = openEmulation(bench.request({ isolation }));
      expect(emulation.describe()).toEqual({ rung: 'native', notBetter: [], emulators: [], crashed: [] });
      const step = await emulation.forPlatform(arm64);
      expect(step.isolation).toMatchObject({
        kind: 'private',
        entries: [expect.stringContaining('arch-build-aarch64') as string],
      });
      expect(await bench.probe(aarch64, step)).toBeUndefined();
      expect(hostTables()).toEqual(before);
      const { path, version, sha256 } = kit.get('aarch64')!;
      expect(emulation.describe()).toEqual({
        rung: 'private',
        notBetter: [],
        emulators: [{ arch: 'aarch64', path, version, sha256, cpu: 'neoverse-n1' }],
        crashed: [],
      });
      expect(textsOf(bench.events, 'info')).toEqual([expect.stringContaining(`qemu ${version}`)]);
    },
  );

  it('takes the prefix rung with prefix, warns of what it cannot do and does not touch the host', async () => {
    await using bench = await openBench();
    await using emulation = openEmulation(bench.request({ isolation: 'prefix', platforms: [arm64, s390x] }));
    for (const [platform, name] of [
      [arm64, 'aarch64'],
      [s390x, 's390x'],
    ] as const) {
      const step = await emulation.forPlatform(platform);
      expect(step.isolation).toMatchObject({ kind: 'prefix', userNamespace: true });
      expect(await bench.probe(architectureByName(name)!, step)).toBeUndefined();
    }
    expect(hostTables()).toEqual(before);
    expect(emulation.describe()).toMatchObject({ rung: 'prefix', emulators: { length: 2 } });
    expect(textsOf(bench.events, 'warning')).toEqual([
      expect.stringMatching(/setuid.*capabilities.*trace.*chroot/) as string,
    ]);
  });

  it('has an emulator without F stand inside the step', async () => {
    await using bench = await openBench();
    const emulators = new Map([['aarch64', kit.get('aarch64')!]]);
    const registered = await registerBest([aarch64], emulators, (registrations) => {
      if (registrations.every(({ flags }) => !flags.includes('F'))) return registerOnHost(registrations);
      return Promise.reject(new RegistrationRefusal(registrations[0]!, 'EINVAL')); // Linux before 4.8
    });
    if (typeof registered === 'string') throw new Error(registered);
    const { isolation, registration } = registered;
    try {
      const [entry] = readBinfmtState().entries;
      expect(entry).toMatchObject({ interpreter: '/dev/emulators/qemu-aarch64', flags: 'POC' });
      const environmentOf = (variables: ReadonlyMap<string, string>): typeof variables => variables;
      const own = { isAccelerated: false, environmentOf };
      expect(await bench.probe(aarch64, { isolation, ...own })).toBeUndefined();
      expect(await bench.probe(aarch64, { isolation: { kind: 'host' }, ...own })).toContain(
        'not inside the root',
      );
    } finally {
      await registration[Symbol.asyncDispose]();
    }
  });

  it('registers on the host with --isolation host, and takes it back', async () => {
    await using bench = await openBench();
    {
      await using emulation = openEmulation(bench.request({ isolation: 'host' }));
      const step = await emulation.forPlatform(arm64);
      expect(step.isolation).toEqual({ kind: 'host' });
      expect(hostEntries()).toContain('arch-build-aarch64');
      expect(await bench.probe(aarch64, step)).toBeUndefined();
      expect(emulation.describe().rung).toBe('host');
      expect(textsOf(bench.events, 'info')[0]).toContain('not host-entry: aarch64: no binfmt entry matches');
    }
    expect(hostEntries()).not.toContain('arch-build-aarch64');
  });

  it('uses an entry the host has with --isolation host, and never changes it', async () => {
    await using bench = await openBench();
    using _mount = mountForeign();
    const { magic, mask } = aarch64;
    const interpreter = kit.get('aarch64')!.path;
    using _entry = registerForeign({ name: 'somebody-elses', magic, mask, interpreter, flags: FULL_FLAGS });
    const there = hostEntries();
    await using emulation = openEmulation(bench.request({ isolation: 'host', environment: {} }));
    const step = await emulation.forPlatform(arm64);
    expect(emulation.describe()).toEqual({
      rung: 'host-entry',
      notBetter: [],
      emulators: [
        {
          arch: 'aarch64',
          path: interpreter,
          version: kit.get('aarch64')!.version,
          sha256: kit.get('aarch64')!.sha256,
          cpu: 'neoverse-n1',
          entry: { name: 'somebody-elses', flags: FULL_FLAGS },
        },
      ],
      crashed: [],
    });
    expect(await bench.probe(aarch64, step)).toBeUndefined();
    expect(hostEntries()).toEqual(there);
  });

  it.each(['private', 'host'] as const)(
    'prepares all foreign platforms of a build at once: %s',
    async (isolation) => {
      await using bench = await openBench();
      await using emulation = openEmulation(bench.request({ isolation, platforms: [amd64, arm64, s390x] }));
      for (const [platform, name] of [
        [arm64, 'aarch64'],
        [s390x, 's390x'],
      ] as const) {
        const step = await emulation.forPlatform(platform);
        expect(await bench.probe(architectureByName(name)!, step)).toBeUndefined();
      }
      expect(
        emulation
          .describe()
          .emulators.map(({ arch }) => arch)
          .sort(),
      ).toEqual(['aarch64', 's390x']);
      expect(textsOf(bench.events, 'info')).toHaveLength(1);
    },
  );

  it('climbs again for a machine that nobody had announced, and keeps the first', async () => {
    await using bench = await openBench();
    await using emulation = openEmulation(bench.request({ platforms: [arm64], isolation: 'host' }));
    await emulation.forPlatform(arm64);
    const step = await emulation.forPlatform(s390x);
    expect(await bench.probe(architectureByName('s390x')!, step)).toBeUndefined();
    expect(await bench.probe(aarch64, await emulation.forPlatform(arm64))).toBeUndefined();
  });

  it('has one entry for two platforms of one machine', async () => {
    await using bench = await openBench();
    const platforms = ['linux/arm/v6', 'linux/arm/v7'].map((text) => parsePlatform(text));
    await using emulation = openEmulation(bench.request({ platforms }));
    for (const platform of platforms) {
      expect((await emulation.forPlatform(platform)).isolation).toMatchObject({ entries: { length: 1 } });
    }
  });

  it('does nothing for the host’s own platform', async () => {
    await using bench = await openBench();
    await using emulation = openEmulation(bench.request({ platforms: [amd64, arm64] }));
    const step = await emulation.forPlatform(amd64);
    expect(step.isolation).toEqual({ kind: 'private', entries: [] });
    const environment = new Map([['QEMU_VERSION', '1']]);
    expect(step.environmentOf(environment)).toEqual(environment);
    expect(bench.events).toEqual([]);
    expect(readdirSync(bench.scratch.directory)).toEqual([]);
  });

  it('takes the emulator and the CPU it is told to', async () => {
    await using bench = await openBench();
    const emulator = kit.get('aarch64')!.path;
    await using emulation = openEmulation(
      bench.request({ emulator: [emulator], cpu: ['max'], environment: {} }),
    );
    const step = await emulation.forPlatform(arm64);
    expect(emulation.describe().emulators[0]?.path).toBe(emulator);
    expect([...step.environmentOf(new Map([['A', '1']]))]).toEqual([
      ['A', '1'],
      ['QEMU_CPU', 'max'],
    ]);
  });

  it('holds QEMU_* variables of the image back and says so once', async () => {
    await using bench = await openBench();
    await using emulation = openEmulation(bench.request());
    const step = await emulation.forPlatform(arm64);
    const image = new Map([
      ['QEMU_VERSION', '1'],
      ['PATH', '/bin'],
      ['QEMU_CPU', 'evil'],
    ]);
    for (let times = 0; times < 3; times += 1) {
      const variables = step.environmentOf(image);
      expect(variables.has('QEMU_VERSION')).toBe(false);
      expect(variables.get('QEMU_CPU')).not.toBe('evil');
      expect(variables.get('PATH')).toBe('/bin');
    }
    (await emulation.forPlatform(arm64)).environmentOf(
      new Map([
        ['QEMU_LOG', 'x'],
        ['QEMU_VERSION', '1'],
      ]),
    );
    const warnings = textsOf(bench.events, 'warning');
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain('QEMU_VERSION, QEMU_CPU');
    expect(warnings[1]).toContain('QEMU_LOG');
    expect(warnings[1]).not.toContain('QEMU_VERSION');
  });
});

describeWith(['root', 'private-binfmt'], 'an emulator that has crashed', () => {
  it.each(['private', 'host'] as const)('is replaced by the next version: %s', async (isolation) => {
    const [first, second] = pinnedPackages() as [PinnedPackage, PinnedPackage];
    const newer = (await fetchedEmulators(second.version)).get('aarch64')!;
    const before = hostTables();
    await using bench = await openBench();
    {
      const environment = { ARCH_BUILD_EMULATORS: [kitFolder, join(newer.path, '..')].join(':'), PATH: '' };
      await using emulation = openEmulation(bench.request({ isolation, environment }));
      expect(await emulation.nextEmulator(amd64, await emulation.forPlatform(amd64))).toBe(false);
      const [crashed, other] = [await emulation.forPlatform(arm64), await emulation.forPlatform(arm64)];
      const situation = await emulation.emulatorsOf(arm64);
      expect(situation?.running.version).toBe(first.version);
      expect(situation?.others[0]).toBe(second.version);
      expect(await emulation.nextEmulator(arm64, crashed)).toBe(true);
      expect(await emulation.nextEmulator(arm64, other)).toBe(true); // the same crash at the same time: not twice
      const step = await emulation.forPlatform(arm64);
      expect(await bench.probe(aarch64, step)).toBeUndefined();
      const entry = readBinfmtState().entries.find(({ name }) => name === 'arch-build-aarch64');
      const found = step.isolation.kind === 'private' ? step.isolation.entries.join() : entry?.interpreter;
      expect(found).toContain(newer.path);
      const { emulators, crashed: records } = emulation.describe();
      expect(emulators.map(({ version }) => version)).toEqual([second.version]);
      expect(records.map(({ version }) => version)).toEqual([first.version]);
    }
    expect(hostTables()).toEqual(before);
  });
});

describe('a platform that cannot be emulated', () => {
  it.each(['private', 'host'] as const)('has no emulator here: %s', async (isolation) => {
    await using bench = await openBench();
    const nowhere = { environment: { PATH: '' }, storeDirectory: bench.scratch.directory };
    const [missing] = (
      await Promise.all(ARCHITECTURES.map(async (row) => [row, await findEmulators(row, nowhere)] as const))
    )
      .filter(
        ([{ arch, platforms }, found]) =>
          found.length === 0 && platforms.length > 0 && !['x86_64', 'i386'].includes(arch),
      )
      .map(([row]) => row);
    const platform = missing!.platforms[0]!;
    await using emulation = openEmulation(bench.request({ ...nowhere, platforms: [platform], isolation }));
    await expect(emulation.forPlatform(platform)).rejects.toMatchObject({ code: 'EMULATOR_MISSING' });
  });

  it('has an emulator that is no program', async () => {
    await using bench = await openBench();
    const emulator = await bench.scratch.write('qemu-aarch64', 'not a program');
    await using emulation = openEmulation(bench.request({ emulator: [emulator] }));
    await expect(emulation.forPlatform(arm64)).rejects.toMatchObject({ code: 'EMULATOR_UNUSABLE' });
  });

  it('is no platform of any emulator', async () => {
    await using bench = await openBench();
    await using emulation = openEmulation(bench.request());
    await expect(emulation.forPlatform({ os: 'linux', architecture: 'pdp11' })).rejects.toMatchObject({
      code: 'HOST_INCAPABLE',
    });
  });
});

describeWith(['root', 'private-binfmt'], 'an interruption', () => {
  it('while a rung is tried leaves no entry on the host', async () => {
    const before = hostTables();
    await using bench = await openBench();
    const controller = new AbortController();
    const request = bench.request({
      isolation: 'host',
      signal: controller.signal,
      makeDirectory: (prefix) => {
        if (hostEntries().includes('arch-build-aarch64')) controller.abort();
        return mkdtempSync(join(bench.scratch.directory, `${prefix}-`));
      },
    });
    {
      await using emulation = openEmulation(request);
      await expect(emulation.forPlatform(arm64)).rejects.toThrow();
    }
    expect(controller.signal.aborted).toBe(true);
    expect(hostTables()).toEqual(before);
  });
});
