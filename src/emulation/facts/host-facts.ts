/** Everything doctor judges, gathered once. The checks themselves (../checks) are pure. */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { release, userInfo } from 'node:os';
import { join } from 'node:path';
import { ArchBuildError } from '../../errors.ts';
import type { Platform } from '../../oci/platform.ts';
import { nativeProgram } from '../../sys/native.ts';
import { architectureByName, architectureOf, hostArchitecture, type Architecture } from '../architecture.ts';
import { BINFMT_DIRECTORY, readBinfmtState, type BinfmtState } from '../binfmt-state.ts';
import { chosenEmulator } from '../emulator-choice.ts';
import { elfObjection, readBeginning } from '../emulator-file.ts';
import { steersEmulator } from '../environment.ts';
import { mountOf, parseMountinfo, type Mount } from './mounts.ts';
import { platformFacts, type PlatformFacts } from './platform-facts.ts';
import { storeFacts, type StoreFacts } from './store-facts.ts';
import { tryKernel, type Trials } from './trials.ts';

export interface HostFacts {
  /** Undefined on a machine that is not in the table. */
  readonly host: Architecture | undefined;
  readonly machine: string;
  readonly kernel: string;
  readonly user: UserFacts;
  /** How we know that this is a container. */
  readonly container: string | undefined;
  /** Of the kernel, from /proc/filesystems. */
  readonly fileSystems: ReadonlySet<string>;
  /** By name with dots; undefined where this kernel has no such switch. */
  readonly sysctls: ReadonlyMap<string, string>;
  /** Bytes; undefined is unlimited. */
  readonly addressSpace: number | undefined;
  readonly trials: Trials;
  readonly binfmt: BinfmtState;
  readonly binfmtMount: Mount | undefined;
  /** Why the emulator of a host entry is no good, by entry name; only entries with an objection. */
  readonly interpreterObjections: ReadonlyMap<string, string>;
  readonly store: StoreFacts;
  readonly platforms: readonly PlatformFacts[];
  /** Names in our own environment that steer qemu. */
  readonly emulatorVariables: readonly string[];
  readonly sandboxHelper: string | undefined;
  /** Programs of the host that are on PATH. */
  readonly tools: ReadonlySet<string>;
  /** Services and files that register emulators at boot. */
  readonly persistence: readonly string[];
}

export interface UserFacts {
  readonly uid: number;
  readonly name: string;
  /** How many subordinate user ids /etc/subuid gives to this user. */
  readonly subordinateIds: number;
}

export interface FactOptions {
  readonly platforms: readonly { readonly platform: Platform; readonly asked: boolean }[];
  readonly storeDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `--emulator` */
  readonly emulators?: readonly string[];
}

/** Takes about half a second. Changes nothing: trials happen in namespaces of their own. */
export async function gatherFacts(options: FactOptions): Promise<HostFacts> {
  const mounts = parseMountinfo(readText('/proc/self/mountinfo'));
  const store = await storeFacts(options.storeDirectory, mounts);
  const binfmt = readBinfmtState();
  const { uid } = userInfo();
  return {
    ...machineFacts(),
    user: userFacts(),
    container: containerSign(options.environment),
    fileSystems: new Set(readText('/proc/filesystems').split(/\s+/)),
    sysctls: readSysctls(),
    addressSpace: addressSpaceLimit(),
    trials: await tryKernel(store.writable ? store.existing : undefined, uid === 0),
    binfmt,
    binfmtMount: mountOf(BINFMT_DIRECTORY, mounts),
    interpreterObjections: await interpreterObjections(binfmt),
    store,
    platforms: await allPlatforms(options),
    emulatorVariables: Object.keys(options.environment).filter(steersEmulator),
    sandboxHelper: sandboxHelper(),
    tools: toolsOn(options.environment['PATH']),
    persistence: PERSISTENCE.filter((path) => existsSync(path)),
  };
}

const SYSCTLS = [
  'user.max_user_namespaces',
  'kernel.unprivileged_userns_clone',
  'kernel.apparmor_restrict_unprivileged_userns',
  'kernel.randomize_va_space',
  'vm.mmap_min_addr',
  'vm.overcommit_memory',
];

const TOOLS = ['apt-get', 'dpkg-deb', 'tar', 'newuidmap', 'newgidmap', 'unshare', 'mount'];

const PERSISTENCE = [
  '/etc/binfmt.d',
  '/usr/lib/systemd/systemd-binfmt',
  '/lib/systemd/systemd-binfmt',
  '/usr/sbin/update-binfmts',
  '/var/lib/binfmts',
];

async function allPlatforms({ platforms, ...options }: FactOptions): Promise<PlatformFacts[]> {
  const { emulators = [], environment, storeDirectory } = options;
  const facts: PlatformFacts[] = [];
  for (const { platform, asked } of platforms) {
    const machine = architectureOf(platform);
    const chosen = machine === undefined ? {} : chosenEmulator(emulators, machine);
    facts.push(await platformFacts(platform, { asked, ...chosen, environment, storeDirectory }));
  }
  return facts;
}

function machineFacts(): Pick<HostFacts, 'host' | 'machine' | 'kernel'> {
  const machine = readText('/proc/sys/kernel/arch').trim();
  const host = machine === '' ? hostArchitecture() : architectureByName(machine);
  return { host, machine: machine === '' ? (host?.arch ?? '') : machine, kernel: release() };
}

function userFacts(): UserFacts {
  const { uid, username } = userInfo();
  const lines = readText('/etc/subuid')
    .split('\n')
    .map((line) => line.split(':'));
  const own = lines.filter(([owner]) => owner === username || owner === String(uid));
  const subordinateIds = own.reduce((sum, [, , count]) => sum + (Number(count) || 0), 0);
  return { uid, name: username, subordinateIds };
}

function containerSign(environment: FactOptions['environment']): string | undefined {
  const named = environment['container'];
  if (named !== undefined && named !== '') return `the variable container=${named}`;
  return ['/run/.containerenv', '/.dockerenv'].find((path) => existsSync(path));
}

function readSysctls(): Map<string, string> {
  const values = new Map<string, string>();
  for (const name of SYSCTLS) {
    const value = readText(join('/proc/sys', name.replaceAll('.', '/'))).trim();
    if (value !== '') values.set(name, value);
  }
  return values;
}

function addressSpaceLimit(): number | undefined {
  const bytes = /^Max address space\s+(?<soft>\d+)/m.exec(readText('/proc/self/limits'))?.groups?.['soft'];
  return bytes === undefined ? undefined : Number(bytes);
}

async function interpreterObjections({ entries }: BinfmtState): Promise<Map<string, string>> {
  const objections = new Map<string, string>();
  for (const { name, interpreter } of entries) {
    const objection = await objectionTo(interpreter);
    if (objection !== undefined) objections.set(name, objection);
  }
  return objections;
}

async function objectionTo(interpreter: string): Promise<string | undefined> {
  try {
    return elfObjection(await readBeginning(interpreter), hostArchitecture());
  } catch {
    return 'cannot be read';
  }
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
  return new Set(TOOLS.filter((tool) => folders.some((folder) => isExecutable(join(folder, tool)))));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Empty for what cannot be read. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
