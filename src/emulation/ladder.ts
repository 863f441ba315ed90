/**
 * The emulation ladder: picks the way foreign programs get to run in this build's steps, and proves it.
 *
 *   private     each step has its own user namespace and its own binfmt_misc: the host does not change (Linux 6.7)
 *   host-entry  an entry the host already has, when it passes the probe; it is never changed
 *   host        an entry of ours in the host's table, for the time of the build
 *   prefix      no table: an exec-only tracer starts the emulator of each foreign program
 *
 * Nothing is done before the first step that needs it: a build that is all cached never probes.
 */
import { ArchBuildError } from '../errors.ts';
import type { Reporter } from '../events.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import type { Isolation } from '../sys/step-emulators.ts';
import { architectureOf, type Architecture } from './architecture.ts';
import type { EmulationRequest } from './emulation-request.ts';
import { stepEnvironment } from './environment.ts';
import { runsOnHost } from './host.ts';
import { CrashedEmulators, situationOf, type EmulatorSituation, type Running } from './crashed-emulators.ts';
import type { EmulationRecord } from './emulation-record.ts';
import { climb, machinesOf, type Prepared } from './rungs.ts';

export interface StepEmulation {
  readonly isolation: Isolation;
  /** Its emulator starts native twins where the step has them. */
  readonly isAccelerated: boolean;
  /** The step's environment: the emulator's own settings in, `QEMU_*` of the image out. */
  environmentOf(variables: ReadonlyMap<string, string>): ReadonlyMap<string, string>;
}

export interface Emulation extends AsyncDisposable {
  /** Throws EMULATOR_MISSING, EMULATOR_UNUSABLE, HOST_INCAPABLE when the platform's programs cannot run here. */
  forPlatform(platform: Platform): Promise<StepEmulation>;
  /**
   * Puts the next version in place of the platform's emulator, which has crashed in a step that ran so, for the rest
   * of the build; nothing is to be done when another step has done it. False when this host has no other version that
   * runs.
   */
  nextEmulator(platform: Platform, crashed: StepEmulation): Promise<boolean>;
  /** Who emulates the platform, and what else is there; undefined for a platform that needs no emulator. */
  emulatorsOf(platform: Platform): Promise<EmulatorSituation | undefined>;
  describe(): EmulationRecord;
}

const NATIVE: Prepared = {
  rung: 'native',
  isolation: { kind: 'private', entries: [] },
  emulators: new Map(),
  records: [],
};

/** The caller disposes it, after the last step. */
export function openEmulation(request: EmulationRequest): Emulation {
  let prepared = NATIVE;
  const machines = new Map<string, Architecture>();
  const held = new Set<string>();
  const crashed = new CrashedEmulators();
  const alone = oneAtATime(); // several platforms may be built at once
  const prepare = async (wanted: readonly Architecture[]): Promise<void> => {
    await prepared.registration?.[Symbol.asyncDispose]();
    prepared = NATIVE;
    prepared = await climb({ ...request, crashed: crashed.versions }, wanted);
    for (const machine of wanted) machines.set(machine.arch, machine);
  };
  const prepareFor = async (architecture: Architecture): Promise<Prepared> => {
    if (machines.has(architecture.arch)) return prepared;
    const wanted = await foreignMachines(request.platforms, architecture);
    await prepare(distinct([...wanted, ...machines.values()]));
    return prepared;
  };
  return {
    forPlatform: async (platform) => {
      const foreign = !(await runsOnHost(platform));
      const architecture = foreign ? requireArchitecture(platform) : undefined;
      const { isolation, accelerated } =
        architecture === undefined ? prepared : await alone(() => prepareFor(architecture));
      return {
        isolation,
        isAccelerated: architecture !== undefined && accelerated?.has(architecture.arch) === true,
        environmentOf: (variables) => environmentFor(request, held, { variables, architecture }),
      };
    },
    nextEmulator: (platform, { isolation }) =>
      alone(async () => {
        const running = await runningOf(platform, prepared);
        if (running === undefined) return false;
        if (isolation !== prepared.isolation) return true;
        return crashed.replace(running, { request, prepare: () => prepare([...machines.values()]) });
      }),
    emulatorsOf: async (platform) => {
      const running = await runningOf(platform, prepared);
      return running && situationOf(running, { ...request, crashed: crashed.versions });
    },
    describe: () => recordOf(prepared, crashed.records),
    [Symbol.asyncDispose]: async () => prepared.registration?.[Symbol.asyncDispose](),
  };
}

const recordOf = (
  { rung, notBetter = [], records, accelerated }: Prepared,
  crashed: EmulationRecord['crashed'],
): EmulationRecord => ({
  rung,
  notBetter,
  emulators: records,
  ...(accelerated === undefined || accelerated.size === 0 ? {} : { accelerated: [...accelerated] }),
  crashed,
});

function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(work: () => Promise<T>) => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };
}

async function runningOf(platform: Platform, { records }: Prepared): Promise<Running | undefined> {
  const architecture = (await runsOnHost(platform)) ? undefined : architectureOf(platform);
  const record = records.find(({ arch }) => arch === architecture?.arch);
  return architecture === undefined || record === undefined ? undefined : { architecture, record };
}

function requireArchitecture(platform: Platform): Architecture {
  const architecture = architectureOf(platform);
  if (architecture !== undefined) return architecture;
  throw new ArchBuildError('HOST_INCAPABLE', `no emulator runs programs of ${formatPlatform(platform)}`, {
    hint: '`arch-build emulators ls` lists the platforms there are',
  });
}

/** The foreign ones of the build's platforms, and the one needed now. */
async function foreignMachines(
  platforms: readonly Platform[],
  needed: Architecture,
): Promise<Architecture[]> {
  const foreign: Platform[] = [];
  for (const platform of platforms) if (!(await runsOnHost(platform))) foreign.push(platform);
  return machinesOf([...needed.platforms.slice(0, 1), ...foreign], architectureOf);
}

const distinct = (machines: readonly Architecture[]): Architecture[] => [
  ...new Map(machines.map((machine) => [machine.arch, machine])).values(),
];

function environmentFor(
  { cpu, report }: EmulationRequest,
  held: Set<string>,
  step: { readonly variables: ReadonlyMap<string, string>; readonly architecture: Architecture | undefined },
): ReadonlyMap<string, string> {
  const environment = stepEnvironment(step.variables, step.architecture, cpu);
  warnHeld(report, held, environment.held);
  return environment.variables;
}

function warnHeld(report: Reporter, told: Set<string>, names: readonly string[]): void {
  const news = names.filter((name) => !told.has(name));
  if (news.length === 0) return;
  for (const name of news) told.add(name);
  report({
    type: 'warning',
    text: `${news.join(', ')} would steer the emulator: kept out of the steps (the image's configuration has it all the same)`,
  });
}
