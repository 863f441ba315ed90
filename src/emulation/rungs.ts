/** The rungs themselves, best first. Each is proved by a probe; why a better one was not taken is told. */
import { ArchBuildError } from '../errors.ts';
import type { Platform } from '../oci/platform.ts';
import { isHostRoot } from '../sys/identity.ts';
import type { Isolation } from '../sys/step-plan.ts';
import type { Architecture } from './architecture.ts';
import { formatEntry, FULL_FLAGS, type Registration } from './binfmt-entry.ts';
import { RUNGS, type EmulationRequest, type ForeignRung, type Rung } from './emulation-request.ts';
import { findEmulator, type Emulator } from './emulators.ts';
import { stepEnvironment } from './environment.ts';
import { entryNameOf, registerOnHost } from './host-registration.ts';
import { probeRung } from './rung-probe.ts';

export interface Prepared {
  readonly rung: Rung;
  readonly isolation: Isolation;
  /** By machine. Empty on the `host-entry` rung: whose emulator runs there is the host's matter. */
  readonly emulators: ReadonlyMap<string, Emulator>;
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
      return result;
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
  const registrations = machines.flatMap((machine) => registrationOf(machine, emulators));
  if (rung === 'private') {
    const isolation: Isolation = { kind: 'private', entries: registrations.map(formatEntry) };
    return (await firstFailure(request, machines, isolation)) ?? { rung, isolation, emulators };
  }
  if (!isHostRoot()) return 'only the root of the host can register there';
  const registration = await registerOrExplain(registrations);
  if (typeof registration === 'string') return registration;
  let failure: string | undefined = 'not tried';
  try {
    failure = await firstFailure(request, machines, HOST);
  } finally {
    if (failure !== undefined) await registration[Symbol.asyncDispose]();
  }
  return failure ?? { rung, isolation: HOST, emulators, registration };
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
  if (request.emulator !== undefined) return 'an emulator was named, and this rung has the host choose it';
  const failure = await firstFailure(request, machines, HOST);
  return failure ?? { rung: 'host-entry', isolation: HOST, emulators: new Map() };
}

async function findEmulators(
  request: EmulationRequest,
  machines: readonly Architecture[],
): Promise<ReadonlyMap<string, Emulator>> {
  const found = new Map<string, Emulator>();
  for (const machine of machines) {
    const explicit = request.emulator === undefined ? {} : { explicit: [request.emulator] };
    const lookup = { ...explicit, environment: request.environment, storeDirectory: request.storeDirectory };
    found.set(machine.arch, await findEmulator(machine, lookup));
  }
  return found;
}

function registrationOf(machine: Architecture, emulators: ReadonlyMap<string, Emulator>): Registration[] {
  const emulator = emulators.get(machine.arch);
  if (emulator === undefined) return [];
  const { magic, mask } = machine;
  return [{ name: entryNameOf(machine.arch), magic, mask, interpreter: emulator.path, flags: FULL_FLAGS }];
}

async function firstFailure(
  request: EmulationRequest,
  machines: readonly Architecture[],
  isolation: Isolation,
): Promise<string | undefined> {
  const settings = request.cpu === undefined ? {} : { emulatorCpu: request.cpu };
  for (const machine of machines) {
    const { variables } = stepEnvironment(new Map(), machine, settings);
    const environment = [...variables].map(([name, value]) => `${name}=${value}`);
    const scratch = request.makeDirectory('probe');
    const failure = await probeRung(machine, { scratch, isolation, environment, signal: request.signal });
    if (failure !== undefined) return `${machine.arch}: ${failure}`;
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
  { rung, emulators }: Prepared,
  refused: readonly string[],
): void {
  if (rung === 'native') return;
  const programs = [...emulators.values()].map(({ path, version }) => `qemu ${version} (${path})`);
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
