/** Everything doctor judges, gathered once. The checks themselves (../checks) are pure. */
import { accessSync, constants, existsSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArchBuildError } from '../../errors.ts';
import type { Platform } from '../../oci/platform.ts';
import { controllerAbilities, type ControllerAbility } from '../../sys/cgroup/ability.ts';
import { nativeProgram } from '../../sys/native.ts';
import { architectureByName, architectureOf, hostArchitecture, type Architecture } from '../architecture.ts';
import { BINFMT_DIRECTORY, readBinfmtState, type BinfmtState } from '../binfmt-state.ts';
import { chosenEmulator } from '../emulator-choice.ts';
import { steersEmulator } from '../environment.ts';
import { clockFacts, type ClockFacts } from './clock-facts.ts';
import { emulatorPlaces, interpreterObjections, type EmulatorPlace } from './emulator-places.ts';
import { kernelFacts, type KernelFacts } from './kernel-facts.ts';
import { mountOf, parseMountinfo, type Mount } from './mounts.ts';
import { platformFacts, type PlatformFacts } from './platform-facts.ts';
import { processFacts, type ProcessFacts } from './process-facts.ts';
import { readText } from './read-text.ts';
import { storeFacts, type StoreFacts } from './store-facts.ts';
import { surroundings, type Surroundings } from './surroundings.ts';
import { tryKernel, type Trials } from './trials.ts';
import { userFacts, type UserFacts } from './user-facts.ts';

export interface HostFacts extends KernelFacts {
  /** How the user starts us, for the commands that are advised: `arch-build`, with `--root` where that was said. */
  readonly program: readonly string[];
  /** Undefined on a machine that is not in the table. */
  readonly host: Architecture | undefined;
  readonly machine: string;
  readonly kernel: string;
  readonly user: UserFacts;
  readonly process: ProcessFacts;
  readonly surroundings: Surroundings;
  readonly clock: ClockFacts;
  readonly trials: Trials;
  /** What of a step can be limited. */
  readonly stepLimits: readonly ControllerAbility[];
  readonly binfmt: BinfmtState;
  readonly binfmtMount: Mount | undefined;
  /** Why the emulator of a host entry is no good, by entry name; only entries with an objection. */
  readonly interpreterObjections: ReadonlyMap<string, string>;
  readonly store: StoreFacts;
  readonly temporary: TemporaryFacts;
  readonly platforms: readonly PlatformFacts[];
  /** Where the emulators that cannot be used are, by path. */
  readonly emulatorPlaces: ReadonlyMap<string, EmulatorPlace>;
  /** Names in our own environment that steer qemu. */
  readonly emulatorVariables: readonly string[];
  readonly sandboxHelper: string | undefined;
  /** Programs of the host that are on PATH. */
  readonly tools: ReadonlySet<string>;
  /** Services and files that register emulators at boot. */
  readonly persistence: readonly string[];
  readonly registries: readonly RegistryFacts[];
}

export interface TemporaryFacts {
  readonly directory: string;
  /** Continues the sentence "DIRECTORY …". */
  readonly fault: string | undefined;
}

/** How far one gets with a registry; whoever may use the network finds out. */
export interface RegistryFacts {
  readonly host: string;
  /** The last thing that worked; `answer` is all of it. */
  readonly reached: 'nothing' | 'address' | 'connection' | 'tls' | 'answer';
  readonly words: string;
  readonly hint: string;
}

export interface FactOptions {
  readonly program: readonly string[];
  readonly platforms: readonly { readonly platform: Platform; readonly asked: boolean }[];
  readonly storeDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `--emulator` */
  readonly emulators?: readonly string[];
  readonly registries?: readonly RegistryFacts[];
  /** Gives empty directories, where programs may be started; the caller removes them. */
  readonly makeDirectory: (prefix: string) => string;
}

/** Takes about half a second. Changes nothing: trials happen in namespaces of their own. */
export async function gatherFacts(options: FactOptions): Promise<HostFacts> {
  const { environment, program, registries = [] } = options;
  const mounts = parseMountinfo(readText('/proc/self/mountinfo'));
  const store = await storeFacts(options.storeDirectory, mounts);
  const binfmt = readBinfmtState();
  const platforms = await allPlatforms(options);
  const user = userFacts(environment);
  const helper = sandboxHelper();
  return {
    program,
    ...machineFacts(),
    ...kernelFacts(),
    user,
    process: processFacts(mounts),
    surroundings: surroundings(release(), { mounts, environment }),
    clock: clockFacts(),
    trials: await tryKernel({
      helper,
      scratch: options.makeDirectory('trial'),
      writable: store.writable ? store.existing : undefined,
    }),
    stepLimits: await controllerAbilities(),
    binfmt,
    binfmtMount: mountOf(BINFMT_DIRECTORY, mounts),
    interpreterObjections: await interpreterObjections(binfmt, mounts),
    store,
    temporary: temporaryFacts(mounts),
    platforms,
    emulatorPlaces: emulatorPlaces(platforms, mounts),
    emulatorVariables: Object.keys(environment).filter(steersEmulator),
    sandboxHelper: helper,
    tools: toolsOn(environment['PATH']),
    persistence: PERSISTENCE.filter((path) => existsSync(path)),
    registries,
  };
}

const TOOLS = ['apt-get', 'dpkg-deb', 'tar'];

const PERSISTENCE = [
  '/etc/binfmt.d',
  '/usr/lib/systemd/systemd-binfmt',
  '/lib/systemd/systemd-binfmt',
  '/usr/sbin/update-binfmts',
  '/var/lib/binfmts',
];

async function allPlatforms({ platforms, makeDirectory, ...options }: FactOptions): Promise<PlatformFacts[]> {
  const { emulators = [], environment, storeDirectory } = options;
  const facts: PlatformFacts[] = [];
  for (const { platform, asked } of platforms) {
    const machine = architectureOf(platform);
    const chosen = machine === undefined ? {} : chosenEmulator(emulators, machine);
    const lookup = { asked, ...chosen, environment, storeDirectory };
    facts.push(await platformFacts(platform, { ...lookup, makeDirectory }));
  }
  return facts;
}

function machineFacts(): Pick<HostFacts, 'host' | 'machine' | 'kernel'> {
  const machine = readText('/proc/sys/kernel/arch').trim();
  const host = machine === '' ? hostArchitecture() : architectureByName(machine);
  return { host, machine: machine === '' ? (host?.arch ?? '') : machine, kernel: release() };
}

function temporaryFacts(mounts: readonly Mount[]): TemporaryFacts {
  const directory = tmpdir();
  const options = mountOf(directory, mounts)?.options ?? [];
  if (!existsSync(directory)) return { directory, fault: 'does not exist' };
  if (options.includes('ro')) return { directory, fault: 'is on a read-only file system' };
  if (!isUsable(directory, constants.W_OK)) return { directory, fault: 'is not writable' };
  return { directory, fault: options.includes('noexec') ? 'is on a file system mounted noexec' : undefined };
}

function sandboxHelper(): string | undefined {
  try {
    return nativeProgram('sandbox');
  } catch (error) {
    if (error instanceof ArchBuildError) return undefined;
    throw error;
  }
}

function toolsOn(path: string | undefined): Set<string> {
  const folders = (path ?? '').split(':');
  return new Set(
    TOOLS.filter((tool) => folders.some((folder) => isUsable(join(folder, tool), constants.X_OK))),
  );
}

function isUsable(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
