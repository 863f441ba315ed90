/** The climb: rungs, best first. Each is proved by a probe; why a better one was not taken is told. */
import { ArchBuildError } from '../errors.ts';
import type { Platform } from '../oci/platform.ts';
import { isHostRoot } from '../sys/identity.ts';
import type { Isolation, TracedMachine } from '../sys/step-emulators.ts';
import { architectureByName, type Architecture } from './architecture.ts';
import { formatEntry } from './binfmt-entry.ts';
import {
  RUNGS,
  type EmulationRequest,
  type ForeignRung,
  type IsolationChoice,
  type Rung,
} from './emulation-request.ts';
import { recordOf, recordOfEntry, type EmulatorRecord } from './emulation-record.ts';
import { refuseUnknownCpu } from './cpu-model.ts';
import { chosenEmulator } from './emulator-choice.ts';
import { ageFault } from './emulator-version.ts';
import { findEmulator, type Emulator, type LookupOptions } from './emulators.ts';
import { stepEnvironment } from './environment.ts';
import { askRunningVersion, probeRung } from './rung-probe.ts';
import { innerEmulatorOf, registerBest, registrationOf } from './rung-registration.ts';
import { withFronts } from './twins/fronted-emulators.ts';

export interface Prepared {
  readonly rung: Rung;
  readonly isolation: Isolation;
  /** By machine. Empty on the `host-entry` rung: whose emulator runs there is the host's matter. */
  readonly emulators: ReadonlyMap<string, Emulator>;
  /** What the build's record says of them, the host's included. */
  readonly records: readonly EmulatorRecord[];
  /** The better rungs and what each lacked. */
  readonly notBetter?: readonly string[];
  readonly registration?: AsyncDisposable;
  /** Machines whose emulator starts native twins where a step has them. */
  readonly accelerated?: ReadonlySet<string>;
}

const RUNGS_OF: Readonly<Record<IsolationChoice, readonly ForeignRung[]>> = {
  auto: RUNGS,
  private: ['private'],
  host: ['host-entry', 'host'],
  prefix: ['prefix'],
};

/** Twins are started by an emulator of ours, from a table that only the step has. */
const rungsOf = ({ isolation, accelerate }: EmulationRequest): readonly ForeignRung[] =>
  RUNGS_OF[isolation].filter((rung) => accelerate !== 'on' || rung === 'private');

/** What a rung takes, or one sentence of why it cannot be taken. */
type Climber = (request: EmulationRequest, machines: readonly Architecture[]) => Promise<Prepared | string>;

const CLIMBERS: Readonly<Record<ForeignRung, Climber>> = {
  private: tryPrivate,
  'host-entry': tryHostEntry,
  host: tryHost,
  prefix: tryPrefix,
};

const HOST: Isolation = { kind: 'host' };

/**
 * The best rung on which every one of the machines' probes runs. Throws HOST_INCAPABLE with what each rung lacked, or
 * what is the matter with the emulators: an entry of the host needs none of ours.
 */
export async function climb(request: EmulationRequest, machines: readonly Architecture[]): Promise<Prepared> {
  const refused: string[] = [];
  let emulatorFault: ArchBuildError | undefined;
  for (const rung of rungsOf(request)) {
    const result = await tryRung(rung, request, machines).catch(faultOfEmulator);
    if (result instanceof ArchBuildError) emulatorFault ??= result;
    else if (typeof result !== 'string') {
      announce(request, result, refused);
      return { ...result, notBetter: refused };
    }
    refused.push(`${rung}: ${typeof result === 'string' ? result : result.message}`);
  }
  if (emulatorFault !== undefined) throw emulatorFault;
  throw new ArchBuildError(
    'HOST_INCAPABLE',
    `this host cannot run programs for ${machines.map(({ arch }) => arch).join(', ')} (${refused.join('; ')})`,
    { hint: 'run `arch-build doctor` for what is missing and how to get it' },
  );
}

const EMULATOR_FAULTS: readonly string[] = ['EMULATOR_MISSING', 'EMULATOR_UNUSABLE'];

function faultOfEmulator(error: unknown): ArchBuildError {
  if (error instanceof ArchBuildError && EMULATOR_FAULTS.includes(error.code)) return error;
  throw error;
}

/** One rung alone: what is ready to use, or why it is not. Throws when the machines have no emulator. */
export const tryRung = (
  rung: ForeignRung,
  request: EmulationRequest,
  machines: readonly Architecture[],
): Promise<Prepared | string> => CLIMBERS[rung](request, machines);

async function tryPrivate(
  request: EmulationRequest,
  machines: readonly Architecture[],
): Promise<Prepared | string> {
  const found = await findEmulators(request, machines);
  const { emulators } = found;
  const fronted = await withFronts(request, emulators);
  const started = new Map([...emulators, ...fronted]);
  const entries = machines.flatMap((machine) => registrationOf(machine, started)).map(formatEntry);
  const isolation: Isolation = { kind: 'private', entries };
  const failure = await firstFailure(request, machines, { isolation, emulators });
  return failure ?? { rung: 'private', isolation, ...found, accelerated: new Set(fronted.keys()) };
}

async function tryHost(
  request: EmulationRequest,
  machines: readonly Architecture[],
): Promise<Prepared | string> {
  const found = await findEmulators(request, machines);
  const { emulators } = found;
  if (!isHostRoot()) return 'only the root of the host can register there';
  const registered = await registerBest(machines, emulators);
  if (typeof registered === 'string') return registered;
  const { isolation, registration } = registered;
  let failure: string | undefined = 'not tried';
  try {
    failure = await firstFailure(request, machines, { isolation, emulators });
  } finally {
    if (failure !== undefined) await registration[Symbol.asyncDispose]();
  }
  return failure ?? { rung: 'host', isolation, ...found, registration };
}

/** Where no (further) user namespace is to be had, it does without: we are root of something already. */
async function tryPrefix(
  request: EmulationRequest,
  machines: readonly Architecture[],
): Promise<Prepared | string> {
  const found = await findEmulators(request, machines);
  const { emulators } = found;
  const traced = machines.flatMap((machine): TracedMachine[] => {
    const inner = innerEmulatorOf(machine, emulators);
    return inner === undefined ? [] : [{ ...inner, magic: machine.magic, mask: machine.mask }];
  });
  const failures = new Set<string>();
  for (const userNamespace of [true, false]) {
    const isolation: Isolation = { kind: 'prefix', userNamespace, machines: traced };
    const failure = await firstFailure(request, machines, { isolation, emulators });
    if (failure === undefined) return { rung: 'prefix', isolation, ...found };
    failures.add(failure);
  }
  return [...failures].join(', ');
}

async function tryHostEntry(
  request: EmulationRequest,
  machines: readonly Architecture[],
): Promise<Prepared | string> {
  if (machines.some((machine) => isChosen(request, machine)))
    return 'an emulator was chosen, and on this rung the host chooses it';
  const failure = await firstFailure(request, machines, { isolation: HOST });
  if (failure !== undefined) return failure;
  const records: EmulatorRecord[] = [];
  for (const machine of machines) {
    const options = { scratch: request.makeDirectory('probe'), isolation: HOST, signal: request.signal };
    const version = await askRunningVersion(machine, { ...options, environment: [] });
    records.push(await recordOfEntry(machine, request, version));
  }
  return { rung: 'host-entry', isolation: HOST, emulators: new Map(), records };
}

/** By the user, or because another version has crashed. */
function isChosen(request: EmulationRequest, machine: Architecture): boolean {
  const { explicit, version, crashed } = lookupOf(request, machine);
  return explicit !== undefined || version !== undefined || crashed !== undefined;
}

/** How the emulator of a machine is to be looked up for this build. */
export function lookupOf(request: EmulationRequest, machine: Architecture): LookupOptions {
  const crashed = request.crashed?.get(machine.arch);
  return {
    ...chosenEmulator(request.emulator ?? [], machine),
    ...(crashed === undefined ? {} : { crashed }),
    environment: request.environment,
    storeDirectory: request.storeDirectory,
  };
}

async function findEmulators(
  request: EmulationRequest,
  machines: readonly Architecture[],
): Promise<Pick<Prepared, 'emulators' | 'records'>> {
  const emulators = new Map<string, Emulator>();
  const records: EmulatorRecord[] = [];
  for (const machine of machines) {
    const emulator = await findEmulator(machine, lookupOf(request, machine));
    emulators.set(machine.arch, emulator);
    records.push(recordOf(emulator, machine, request));
  }
  return { emulators, records };
}

interface RungTrial {
  readonly isolation: Isolation;
  /** Ours, where it is not the host that chooses. */
  readonly emulators?: Prepared['emulators'];
}

async function firstFailure(
  request: EmulationRequest,
  machines: readonly Architecture[],
  { isolation, emulators }: RungTrial,
): Promise<string | undefined> {
  for (const machine of machines) {
    const { variables } = stepEnvironment(new Map(), machine, request.cpu);
    const environment = [...variables].map(([name, value]) => `${name}=${value}`);
    const scratch = request.makeDirectory('probe');
    const failure = await probeRung(machine, { scratch, isolation, environment, signal: request.signal });
    if (failure === undefined) continue;
    const emulator = emulators?.get(machine.arch);
    if (emulator !== undefined) refuseUnknownCpu(failure, emulator, { machine, choices: request.cpu });
    return `${machine.arch}: ${failure}`;
  }
  return undefined;
}

const DESCRIPTIONS: Readonly<Record<ForeignRung, string>> = {
  private: 'a binfmt_misc private to each step; the host is not changed',
  'host-entry': 'the host’s own binfmt_misc entry',
  host: 'an entry in the host’s binfmt_misc for the time of this build',
  prefix: 'started in front of each foreign program by a tracer; the host is not changed',
};

/** What does not work on a rung: better known before the build than after. */
const LIMITS: Partial<Readonly<Record<ForeignRung, string>>> = {
  prefix:
    'the emulator is started by a tracer (prefix), so foreign programs have no setuid bit and no file capabilities ' +
    '(sudo, su and ping fail for other users than root), cannot be executed by who may not read them, cannot trace ' +
    'others, and do not start inside a chroot without /dev/emulators and /proc',
};

function announce(
  { report, accelerate }: EmulationRequest,
  { rung, records }: Prepared,
  refused: readonly string[],
): void {
  if (rung === 'native') return;
  for (const { arch, version = '' } of records) {
    const machine = architectureByName(arch);
    const fault = machine === undefined || version === '' ? undefined : ageFault(version, machine);
    const text = `qemu ${version} ${fault ?? ''}: run \`arch-build emulators fetch ${arch}\``;
    if (fault !== undefined) report({ type: 'warning', text });
  }
  const programs = records.map(({ path, version }) => `qemu ${version ?? '?'} (${path ?? 'place unknown'})`);
  const better = refused.length === 0 ? '' : `; not ${refused.join('; not ')}`;
  report({ type: 'info', text: `emulation: ${[...programs, DESCRIPTIONS[rung]].join(', ')}${better}` });
  if (accelerate !== 'off' && rung !== 'private')
    report({ type: 'warning', text: 'programs are not accelerated: they are with --isolation private only' });
  const limits = LIMITS[rung];
  if (limits !== undefined) report({ type: 'warning', text: limits });
}

/** What two platforms of one machine (arm/v6, arm/v7) share is one entry. */
export function machinesOf(
  platforms: readonly Platform[],
  machineOf: (platform: Platform) => Architecture | undefined,
): Architecture[] {
  const machines = platforms.flatMap((platform) => machineOf(platform) ?? []);
  return [...new Map(machines.map((machine) => [machine.arch, machine])).values()];
}
