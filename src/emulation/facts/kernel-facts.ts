/** What the kernel is made of: features built in, waiting as modules, or left out; its configuration, its switches. */
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { readText } from './read-text.ts';

/** `module`: there is a module that is not loaded. `unknown`: no list of modules and no configuration to look at. */
export type FeatureState = 'present' | 'module' | 'absent' | 'unknown';

export interface KernelFacts {
  /** Of the kernel, from /proc/filesystems. */
  readonly fileSystems: ReadonlySet<string>;
  /** The features a build needs that may be modules, by module name. */
  readonly features: ReadonlyMap<string, FeatureState>;
  /** The lines of the kernel's configuration that matter here, as they stand; empty when it is nowhere to be read. */
  readonly config: ReadonlyMap<string, string>;
  /** By name with dots; undefined where this kernel has no such switch. */
  readonly sysctls: ReadonlyMap<string, string>;
  readonly seLinuxEnforcing: boolean;
}

const FEATURES: Readonly<Record<string, string>> = {
  binfmt_misc: 'CONFIG_BINFMT_MISC',
  overlay: 'CONFIG_OVERLAY_FS',
};

const CONFIG = [
  ...Object.values(FEATURES),
  'CONFIG_USER_NS',
  'CONFIG_PID_NS',
  'CONFIG_NET_NS',
  'CONFIG_IPC_NS',
  'CONFIG_UTS_NS',
  'CONFIG_POSIX_MQUEUE',
  'CONFIG_SECCOMP_FILTER',
  'CONFIG_TMPFS_XATTR',
  'CONFIG_IA32_EMULATION',
];

const SYSCTLS = [
  ...['user', 'mnt', 'pid', 'net', 'ipc', 'uts'].map((kind) => `user.max_${kind}_namespaces`),
  'kernel.unprivileged_userns_clone',
  'kernel.apparmor_restrict_unprivileged_userns',
  'kernel.randomize_va_space',
  'kernel.yama.ptrace_scope',
  'vm.mmap_min_addr',
  'vm.overcommit_memory',
];

export function kernelFacts(): KernelFacts {
  const fileSystems = new Set(readText('/proc/filesystems').split(/\s+/));
  const config = readConfig();
  const features = Object.entries(FEATURES).map(
    ([module, option]) =>
      [module, featureState(module, { fileSystems, option: config.get(option) })] as const,
  );
  return {
    fileSystems,
    features: new Map(features),
    config,
    sysctls: readSysctls(),
    seLinuxEnforcing: readText('/sys/fs/selinux/enforce').trim() === '1',
  };
}

interface FeatureClues {
  readonly fileSystems: ReadonlySet<string>;
  /** Its line of the configuration: `y`, `m`, `n`. */
  readonly option: string | undefined;
}

/** Module lists are those of depmod, for the kernel that runs. */
function featureState(module: string, { fileSystems, option }: FeatureClues): FeatureState {
  if (fileSystems.has(module)) return 'present';
  const folder = join('/lib/modules', release());
  const lists = ['modules.dep', 'modules.builtin'].map((name) => readText(join(folder, name)));
  if (lists.some((list) => new RegExp(`/${module}\\.ko`, 'm').test(list))) return 'module';
  if (lists.some((list) => list !== '') || option === 'n') return 'absent';
  return option === 'm' ? 'absent' : 'unknown';
}

function readConfig(): Map<string, string> {
  const text = configText();
  const values = new Map<string, string>();
  for (const name of text === '' ? [] : CONFIG) {
    const value = new RegExp(`^${name}=(?<value>.*)$`, 'm').exec(text)?.groups?.['value'];
    values.set(name, value ?? 'n');
  }
  return values;
}

function configText(): string {
  if (existsSync('/proc/config.gz')) return gunzip('/proc/config.gz');
  const places = [`/boot/config-${release()}`, `/lib/modules/${release()}/config`];
  return places.map(readText).find((text) => text !== '') ?? '';
}

function gunzip(path: string): string {
  try {
    return gunzipSync(readFileSync(path)).toString('utf8');
  } catch {
    return '';
  }
}

function readSysctls(): Map<string, string> {
  const values = new Map<string, string>();
  for (const name of SYSCTLS) {
    const value = readText(join('/proc/sys', name.replaceAll('.', '/'))).trim();
    if (value !== '') values.set(name, value);
  }
  return values;
}
