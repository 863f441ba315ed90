/** The rungs themselves, best first. Each is proved by a probe; why a better one was not taken is told. */
import { ArchBuildError } from '../errors.ts';
import type { Platform } from '../oci/platform.ts';
import { isHostRoot } from '../sys/identity.ts';
import type { Isolation } from '../sys/step-plan.ts';
import { architectureByName, type Architecture } from './architecture.ts';
import { formatEntry, FULL_FLAGS, type Registration } from './binfmt-entry.ts';
import { RUNGS, type EmulationRequest, type ForeignRung, type Rung } from './emulation-request.ts';
import { recordOf, recordOfEntry, type EmulatorRecord } from './emulation-record.ts';
import { refuseUnknownCpu } from './cpu-model.ts';
import { chosenEmulator } from './emulator-choice.ts';
import { ageFault } from './emulator-version.ts';
import { findEmulator, type Emulator, type LookupOptions } from './emulators.ts';
import { stepEnvironment } from './environment.ts';
import { entryNameOf, registerOnHost } from './host-registration.ts';
import { askRunningVersion, probeRung } from './rung-probe.ts';

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
}

const HOST: Isolation = { kind: 'host' };

/** The best rung on which every one of the machines' probes runs. Throws HOST_INCAPABLE with what each rung lacked. */
export async function climb(request: EmulationRequest, machines: readonly Architecture[]): Promise<Prepared> {
  const refused: string[] = [];
  for (const rung of rungsOf(request.isolation)) {
    const result = await tryRung(rung, request, machines);
    if (typeof result !== 'string') {
      announce(request, result, refused);
      return { ...result, notBetter: refused };
    }
    refused.push(`${rung}: ${result}`);
  }
  throw new ArchBuildError(
    'HOST_INCAPABLE',
    `this host cannot run programs for ${machines.map(({ arch }) => arch).join(', ')} (${refused.join('; ')})`,
    { hint: 'run `arch-build doctor` for what is missing and how to get it' },
  );
}

function rungsOf(choice: EmulationRequest['isolation']): readonly ForeignRung[] {
  if (choice === 'private') return ['private'];
  return choice === 'host' ? ['host-entry', 'host'] : RUNGS;
}

/** One rung alone: what is ready to use, or why it is not. Throws when the machines have no emulator. */
export async function tryRung(
  rung: ForeignRung,
  request: EmulationRequest,
  machines: readonly Architecture[],
): Promise<Prepared | string> {
  if (rung === 'host-entry') return tryHostEntry(request, machines);
  const emulators = await findEmulators(request, machines);
  const records = machines.flatMap((machine) => {
    const emulator = emulators.get(machine.arch);
    return emulator === undefined ? [] : [recordOf(emulator, machine, request)];
  });
  const registrations = machines.flatMap((machine) => registrationOf(machine, emulators));
  if (rung === 'private') {
    const isolation: Isolation = { kind: 'private', entries: registrations.map(formatEntry) };
    const failure = await firstFailure(request, machines, { isolation, emulators });
    return failure ?? { rung, isolation, emulators, records };
  }
  if (!isHostRoot()) return 'only the root of the host can register there';
  const registration = await registerOrExplain(registrations);
  if (typeof registration === 'string') return registration;
  let failure: string | undefined = 'not tried';
  try {
    failure = await firstFailure(request, machines, { isolation: HOST, emulators });
  } finally {
    if (failure !== undefined) await registration[Symbol.asyncDispose]();
  }
  return failure ?? { rung, isolation: HOST, emulators, records, registration };
}

async function registerOrExplain(registrations: readonly Registration[]): Promise<AsyncDisposable | string> {
  try {
    return await registerOnHost(registrations);
  } catch (error) {
    if (error instanceof ArchBuildError && error.code === 'BINFMT') return error.message;
    throw error;
  }
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
): Promise<ReadonlyMap<string, Emulator>> {
  const found = new Map<string, Emulator>();
  for (const machine of machines)
    found.set(machine.arch, await findEmulator(machine, lookupOf(request, machine)));
  return found;
}

function registrationOf(machine: Architecture, emulators: ReadonlyMap<string, Emulator>): Registration[] {
  const emulator = emulators.get(machine.arch);
  if (emulator === undefined) return [];
  const { magic, mask } = machine;
  return [{ name: entryNameOf(machine.arch), magic, mask, interpreter: emulator.path, flags: FULL_FLAGS }];
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
};

function announce(
  { report }: EmulationRequest,
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
}

/** What two platforms of one machine (arm/v6, arm/v7) share is one entry. */
export function machinesOf(
  platforms: readonly Platform[],
  machineOf: (platform: Platform) => Architecture | undefined,
): Architecture[] {
  const machines = platforms.flatMap((platform) => machineOf(platform) ?? []);
  return [...new Map(machines.map((machine) => [machine.arch, machine])).values()];
}
