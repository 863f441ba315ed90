/** Options about the sandbox of RUN, as docker and buildah have them. */
import { existsSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { posix, resolve } from 'node:path';
import type { StepSettings } from '../build/step-settings.ts';
import { ArchBuildError } from '../errors.ts';
import { capabilityMask, ALL_CAPABILITIES, DEFAULT_CAPABILITIES } from '../sys/capabilities.ts';
import { RESOURCES, UNLIMITED, type Limit } from '../sys/limits.ts';
import type { BuildFlags } from './flags.ts';
import { groupSettingsOf } from './group-settings.ts';
import { securityOf } from './security-options.ts';
import { bytesOf } from './size.ts';

type Words = readonly string[];
type Mount = StepSettings['mounts'][number];

/** Throws USAGE. */
export function stepSettingsOf(flags: BuildFlags): StepSettings {
  if (flags.network === 'none') refuseDns(flags);
  if (!flags.hosts && flags.addHost.length > 0)
    throw usage('--no-hosts and --add-host contradict each other');
  if (!flags.hostname && flags.hostnameFile === true)
    throw usage('--no-hostname and --hostname-file contradict each other');
  return {
    ownHosts: !flags.hosts,
    hostnameFile: flags.hostnameFile === true,
    hosts: flags.addHost.map(hostOf),
    dns: {
      servers: flags.dns.map(serverOf),
      search: flags.dnsSearch,
      options: flags.dnsOption,
    },
    mounts: [...flags.volume.map(volumeOf), ...flags.device.map(deviceOf)],
    shmBytes: flags.shmSize === undefined ? undefined : bytesOf('--shm-size', flags.shmSize),
    groups: flags.groupAdd,
    stdin: flags.stdin === true,
    limits: flags.ulimit.map(limitOf),
    capabilities: capabilitiesOf(flags.capAdd, flags.capDrop),
    group: groupSettingsOf(flags),
    ...securityOf(flags.securityOpt),
  };
}

function refuseDns({ dns, dnsSearch, dnsOption }: BuildFlags): void {
  const given: readonly (readonly [string, Words])[] = [
    ['--dns', dns],
    ['--dns-search', dnsSearch],
    ['--dns-option', dnsOption],
  ];
  const option = given.find(([, words]) => words.length > 0)?.[0];
  if (option !== undefined) throw usage(`the ${option} option cannot be used with --network=none`);
}

/** Host and step share the network, so the host's own address is the loopback's. */
const HOST_GATEWAY = '127.0.0.1';

/** `NAME[;NAME…]:ADDRESS` or with `=`. */
function hostOf(word: string): StepSettings['hosts'][number] {
  const [, names = '', written = ''] = /^([^:=]+)[:=](.*)$/s.exec(word) ?? [];
  const address = written === 'host-gateway' ? HOST_GATEWAY : written.replace(/^\[(.*)\]$/, '$1');
  const list = names.split(';');
  if (isIP(address) !== 0 && list.every((name) => /^[\w.-]+$/.test(name))) return { names: list, address };
  throw usage(`--add-host ${word} is not NAME:ADDRESS`);
}

function serverOf(word: string): string {
  if (isIP(word) !== 0) return word;
  throw usage(`--dns ${word} is no IP address`);
}

const VOLUME_HINT = 'write --volume HOST:IMAGE, with :ro or :rw';
/** We run under no label of SELinux and share our mounts with nobody. */
const VOLUME_OPTIONS = ['ro', 'rw', 'z', 'Z', 'private', 'rprivate'];

/** `HOST:IMAGE[:OPTION,…]` */
function volumeOf(word: string): Mount {
  const [source = '', target = '', options = '', ...rest] = word.split(':');
  const list = options.split(',').filter((option) => option !== '');
  const unknown = list.find((option) => !VOLUME_OPTIONS.includes(option));
  if (source === '' || rest.length > 0) throw usage(`--volume ${word} is not understood`, VOLUME_HINT);
  if (unknown !== undefined) throw usage(`--volume ${word}: ${unknown} cannot be had here`, VOLUME_HINT);
  return mountOf(`--volume ${word}`, { source, target, readOnly: list.includes('ro') });
}

/** `HOST[:IMAGE][:PERMISSIONS]`; a directory stands for the devices in it. */
function deviceOf(word: string): Mount {
  const [source = '', ...rest] = word.split(':');
  const isPermissions = (text: string | undefined): boolean =>
    text !== undefined && /^[rwm]{1,3}$/.test(text);
  const permissions = isPermissions(rest.at(-1)) ? (rest.pop() ?? '') : 'rwm';
  if (rest.length > 1 || !source.startsWith('/'))
    throw usage(`--device ${word} is not understood`, 'write --device /dev/NAME[:/PATH/IN/IMAGE]');
  if (!permissions.includes('r') || !permissions.includes('w'))
    throw usage(`--device ${word}: a device is there for reading and writing`, 'leave the permissions out');
  const mount = mountOf(`--device ${word}`, { source, target: rest[0] ?? source, readOnly: false });
  const stat = statSync(mount.source);
  if (stat.isCharacterDevice() || stat.isBlockDevice() || stat.isDirectory()) return mount;
  throw usage(`--device ${word}: ${source} is no device`, 'show a file with --volume');
}

function mountOf(option: string, { source, target, readOnly }: Omit<Mount, 'type' | 'kind'>): Mount {
  const path = resolve(source);
  if (!existsSync(path)) throw usage(`${option}: there is no ${path}`);
  const at = posix.resolve('/', target);
  if (!target.startsWith('/') || at === '/' || /^\/(?:proc|sys|dev$)(?:\/|$)/.test(at))
    throw usage(`${option}: nothing can be mounted at ${target === '' ? 'no place' : target}`, VOLUME_HINT);
  const kind = statSync(path).isDirectory() ? 'directory' : 'file';
  return { type: 'bind', kind, source: path, target: at, readOnly };
}

/** `NAME=SOFT[:HARD]`; `-1` and `unlimited` are none. */
function limitOf(word: string): Limit {
  const [, name = '', first = '', second = first] =
    /^([a-z]+)=(-1|unlimited|\d{1,19})(?::(-1|unlimited|\d{1,19}))?$/.exec(word) ?? [];
  const resource = RESOURCES[name];
  const [soft, hard] = [first, second].map((text) => (/^\d+$/.test(text) ? BigInt(text) : UNLIMITED));
  if (resource === undefined || soft === undefined || hard === undefined || soft > hard) {
    const names = Object.keys(RESOURCES).join(', ');
    throw usage(`--ulimit ${word} is not NAME=SOFT[:HARD]`, `the names are ${names}; HARD is not below SOFT`);
  }
  return { resource, soft, hard };
}

function capabilitiesOf(add: Words, drop: Words): bigint {
  const [added, dropped] = [add, drop].map((words) => words.map(maskOf));
  const isAll = (mask: bigint): boolean => mask === ALL_CAPABILITIES;
  const both = added?.find((mask) => dropped?.includes(mask));
  if (both !== undefined) throw usage('one capability cannot be in --cap-add and in --cap-drop');
  const start = dropped?.some(isAll) ? 0n : added?.some(isAll) ? ALL_CAPABILITIES : DEFAULT_CAPABILITIES;
  const single = (masks: readonly bigint[] = []): bigint =>
    masks.filter((mask) => !isAll(mask)).reduce((all, mask) => all | mask, 0n);
  return (start | single(added)) & ~single(dropped);
}

function maskOf(word: string): bigint {
  const mask = capabilityMask(word);
  if (mask !== undefined) return mask;
  throw usage(
    `there is no capability ${word}`,
    'write a name of capabilities(7), such as SYS_PTRACE, or ALL',
  );
}

function usage(message: string, hint?: string): ArchBuildError {
  return new ArchBuildError('USAGE', message, hint === undefined ? {} : { hint });
}
