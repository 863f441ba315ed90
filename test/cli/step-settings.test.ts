import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS, settingsKey } from '../../src/build/step-settings.ts';
import { stepSettingsOf } from '../../src/cli/step-settings.ts';
import type { BuildFlags } from '../../src/cli/flags.ts';

type Given = Partial<BuildFlags>;

const NONE = {
  hosts: true,
  hostname: true,
  cgroupns: 'private',
  securityOpt: [],
  groupAdd: [],
  addHost: [],
  dns: [],
  dnsSearch: [],
  dnsOption: [],
  volume: [],
  device: [],
  ulimit: [],
  capAdd: [],
  capDrop: [],
};
const settings = (given: Given): ReturnType<typeof stepSettingsOf> =>
  stepSettingsOf({ network: 'default', ...NONE, ...given } as unknown as BuildFlags);

describe('the settings of the sandbox', () => {
  it('are the default ones without an option, and then no part of a key', () => {
    expect(settings({})).toEqual(DEFAULT_SETTINGS);
    expect(settingsKey(settings({}))).toEqual([]);
  });

  it.each<Given>([
    { shmSize: '1g' },
    { memory: '1g', memorySwap: '2g' },
    { cpuShares: '2', cpuPeriod: '5000', cpuQuota: '5000', cpusetCpus: '0', cpusetMems: '0' },
    { pidsLimit: '9', cgroupParent: '/x', cgroupns: 'host' },
    { securityOpt: ['no-new-privileges', 'mask=/a', 'unmask=ALL'] },
    { hostname: false },
  ])('are no part of the key where they only limit: %o', (given) => {
    expect(settingsKey(settings(given))).toEqual([]);
  });

  it.each<[string, Given]>([
    ['#own-hosts', { hosts: false }],
    ['#hostname-file', { hostnameFile: true }],
    ['#groups', { groupAdd: ['wheel'] }],
    ['#stdin', { stdin: true }],
    ['#hosts', { addHost: ['a:1.2.3.4'] }],
    ['#dns', { dnsSearch: ['x'] }],
    ['#volumes', { volume: ['/tmp:/t'] }],
    ['#limits', { ulimit: ['cpu=1'] }],
    ['#capabilities', { capDrop: ['chown'] }],
  ])('are part of the key: %s', (name, given) => {
    expect(settingsKey(settings(given)).map(([key]) => key)).toEqual([name]);
  });

  it.each([
    ['a:1.2.3.4', { names: ['a'], address: '1.2.3.4' }],
    ['a=1.2.3.4', { names: ['a'], address: '1.2.3.4' }],
    ['a;b.c:::1', { names: ['a', 'b.c'], address: '::1' }],
    ['a:[fe80::1]', { names: ['a'], address: 'fe80::1' }],
    ['a:host-gateway', { names: ['a'], address: '127.0.0.1' }],
  ])('--add-host %s', (word, host) => {
    expect(settings({ addHost: [word] }).hosts).toEqual([host]);
  });

  it.each([
    ['/tmp:/t', { type: 'bind', kind: 'directory', source: '/tmp', target: '/t', readOnly: false }],
    ['/tmp:/t/../u:ro,z', { type: 'bind', kind: 'directory', source: '/tmp', target: '/u', readOnly: true }],
    [
      '/etc/passwd:/p:rprivate',
      { type: 'bind', kind: 'file', source: '/etc/passwd', target: '/p', readOnly: false },
    ],
  ])('--volume %s', (word, mount) => {
    expect(settings({ volume: [word] }).mounts).toEqual([mount]);
  });

  it.each([
    ['/dev/null', '/dev/null'],
    ['/dev/null:rwm', '/dev/null'],
    ['/dev/null:/x/y:rw', '/x/y'],
  ])('--device %s', (word, target) => {
    const mount = { type: 'bind', kind: 'file', source: '/dev/null', target, readOnly: false };
    expect(settings({ device: [word] }).mounts).toEqual([mount]);
  });

  it.each([
    ['cpu=300', { resource: 0, soft: 300n, hard: 300n }],
    ['nofile=10:20', { resource: 7, soft: 10n, hard: 20n }],
    ['core=0:unlimited', { resource: 4, soft: 0n, hard: 2n ** 64n - 1n }],
  ])('--ulimit %s', (word, limit) => {
    expect(settings({ ulimit: [word] }).limits).toEqual([limit]);
  });

  it.each<[Given, bigint]>([
    [{ capAdd: ['cap_sys_ptrace'] }, 0xa80c25fbn],
    [{ capDrop: ['CAP_CHOWN', 'dac_override', 'FOWNER'] }, 0xa80425f0n],
    [{ capDrop: ['ALL'] }, 0n],
    [{ capDrop: ['all'], capAdd: ['chown'] }, 1n],
    [{ capAdd: ['ALL'], capDrop: ['chown'] }, 2n ** 41n - 2n],
  ])('capabilities %o', (given, mask) => {
    expect(settings(given).capabilities).toBe(mask);
  });

  it.each<[Given, object]>([
    [{ memory: '1g' }, { memoryBytes: 2 ** 30 }],
    [
      { memory: '1.5MiB', memorySwap: '-1' },
      { memoryBytes: 1_572_864, memorySwapBytes: Infinity },
    ],
    [
      { memory: '4k', memorySwap: '4k' },
      { memoryBytes: 4096, memorySwapBytes: 4096 },
    ],
    [
      { cpuShares: '12', cpuPeriod: '1000', cpuQuota: '5678' },
      { cpuShares: 12, cpuPeriod: 1000, cpuQuota: 5678 },
    ],
    [
      { cpusetCpus: '0-2,5', cpusetMems: '0' },
      { cpus: '0-2,5', mems: '0' },
    ],
    [{ pidsLimit: '64' }, { pids: 64 }],
    [{ memory: '0', memorySwap: '0', cpuShares: '0', cpuPeriod: '0', cpuQuota: '-1', pidsLimit: '-1' }, {}],
  ])('limits %o', (given, limits) => {
    expect(settings(given).group).toEqual({ limits, namespace: 'private' });
  });

  it('a control group has a place and a view', () => {
    expect(settings({ cgroupParent: '/builds', cgroupns: 'host' }).group).toEqual({
      limits: {},
      parent: '/builds',
      namespace: 'host',
    });
  });

  it.each<[string[], object]>([
    [['no-new-privileges'], { noNewPrivileges: true }],
    [['no-new-privileges:true'], { noNewPrivileges: true }],
    [['no-new-privileges', 'no-new-privileges=false'], { noNewPrivileges: false }],
    [['mask=/a:/b/../c', 'mask=/d'], { masks: { masked: ['/a', '/c', '/d'], unmasked: [] } }],
    [['unmask=/proc/*:/sys/firmware'], { masks: { masked: [], unmasked: ['/proc/*', '/sys/firmware'] } }],
    [['unmask=/proc/keys', 'unmask=all'], { masks: { masked: [], unmasked: 'all' } }],
    [['label=disable', 'seccomp:unconfined', 'apparmor=unconfined'], { noNewPrivileges: false }],
  ])('--security-opt %o', (securityOpt, expected) => {
    expect(settings({ securityOpt })).toMatchObject(expected);
  });

  it('--memory-swap -1 limits nothing, with --memory or without', () => {
    expect(settings({ memorySwap: '-1' }).group.limits).toEqual({});
    expect(settings({ memorySwap: '-1', memory: '1k' }).group.limits).toEqual({
      memoryBytes: 1024,
      memorySwapBytes: Infinity,
    });
  });

  it('--shm-size has units', () => {
    const sizes = ['100', '2k', '3M', '1g'].map((shmSize) => settings({ shmSize }).shmBytes);
    expect(sizes).toEqual([100, 2048, 3 * 2 ** 20, 2 ** 30]);
  });

  it.each<[Given, RegExp]>([
    [{ addHost: ['a'] }, /is not NAME:ADDRESS/],
    [{ addHost: ['a:b'] }, /is not NAME:ADDRESS/],
    [{ addHost: ['a\nb:1.2.3.4'] }, /is not NAME:ADDRESS/],
    [{ dns: ['example.com'] }, /is no IP address/],
    [{ dnsOption: ['x'], network: 'none' }, /the --dns-option option cannot be used with --network=none/],
    [{ volume: ['/tmp'] }, /nothing can be mounted at no place/],
    [{ volume: ['/tmp:t'] }, /nothing can be mounted at t/],
    [{ volume: ['/tmp:/'] }, /nothing can be mounted at/],
    [{ volume: ['/tmp:/proc/x'] }, /nothing can be mounted at/],
    [{ volume: ['/tmp:/t:U'] }, /U cannot be had here/],
    [{ volume: ['/nowhere/at/all:/t'] }, /there is no \/nowhere/],
    [{ device: ['/etc/passwd'] }, /is no device/],
    [{ device: ['/dev/null:r'] }, /for reading and writing/],
    [{ device: ['vendor.com/gpu=all'] }, /is not understood/],
    [{ ulimit: ['cpu'] }, /is not NAME=SOFT/],
    [{ ulimit: ['nope=1'] }, /is not NAME=SOFT/],
    [{ ulimit: ['cpu=2:1'] }, /is not NAME=SOFT/],
    [{ capAdd: ['nope'] }, /there is no capability nope/],
    [{ capAdd: ['chown'], capDrop: ['CHOWN'] }, /cannot be in --cap-add and in --cap-drop/],
    [{ shmSize: '0' }, /is no size/],
    [{ memory: 'much' }, /--memory much is no size/],
    [{ memory: '-1' }, /--memory -1 is no size/],
    [{ memorySwap: '1g' }, /--memory-swap needs --memory/],
    [{ memory: '2g', memorySwap: '1g' }, /is less than --memory 2g/],
    [{ cpuShares: '1' }, /--cpu-shares 1 is no number from 2 to 262144/],
    [{ cpuPeriod: '999' }, /--cpu-period 999 is no number from 1000 to 1000000/],
    [{ cpuQuota: '10' }, /--cpu-quota 10 is no number 1000 or more/],
    [{ cpusetCpus: '2-1' }, /is no list/],
    [{ cpusetMems: 'x' }, /is no list/],
    [{ pidsLimit: '1e3' }, /is no number/],
    [{ cgroupParent: '' }, /names no control group/],
    [{ securityOpt: ['mask=a'] }, /is not understood/],
    [{ securityOpt: ['mask=/'] }, /is not understood/],
    [{ securityOpt: ['unmask'] }, /is not understood/],
    [{ securityOpt: ['seccomp=/profile.json'] }, /seccomp=\/profile.json cannot be had here/],
    [{ securityOpt: ['no-new-privileges=maybe'] }, /cannot be had here/],
    [{ hostname: false, hostnameFile: true }, /contradict/],
    [{ hosts: false, addHost: ['a:1.2.3.4'] }, /contradict/],
  ])('are refused: %o', (given, message) => {
    expect(() => settings(given)).toThrow(message);
  });
});
