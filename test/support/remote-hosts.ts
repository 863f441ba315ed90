/**
 * Hosts that can be reached by ssh: processes in network, mount, pid and host name namespaces of their own, with the
 * distribution's sshd. They see this machine's programs, and have a /var/lib, /run, /root, /etc/hosts and a word on
 * their architecture of their own. A hub namespace connects them; commands that talk to them run in it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { runTool } from './foreign-tools.ts';
import { openScratch, type Scratch } from './scratch.ts';

export interface RemoteHosts extends AsyncDisposable {
  /** What `uname -m` of each says, by address. */
  readonly addresses: readonly string[];
  /** For `--ssh-config`: user, key and known hosts. */
  readonly sshConfig: string;
  /** In front of a command line: it runs where the hosts can be reached. */
  readonly through: readonly string[];
  /** Runs a shell's text on a host without ssh; its standard output. */
  on(address: string, script: string): Promise<string>;
}

const NETWORK = '10.77.0';

/** One host for each machine name. The caller disposes them. */
export async function openRemoteHosts(machines: readonly string[]): Promise<RemoteHosts> {
  const scratch = await openScratch('hosts');
  const hub = await startNamespace(['--net'], 'exec sleep infinity');
  const hosts = new Map<string, Namespace>();
  const close = async (): Promise<void> => {
    for (const namespace of [...hosts.values(), hub]) await namespace.end();
    await scratch[Symbol.asyncDispose]();
  };
  try {
    await inHub(
      hub,
      `ip link set lo up; ip link add br0 type bridge; ip addr add ${NETWORK}.1/24 dev br0; ip link set br0 up`,
    );
    await makeKeys(scratch);
    for (const [index, machine] of machines.entries()) {
      const address = `${NETWORK}.${index + 10}`;
      hosts.set(address, await startHost(scratch, hub, { address, machine, index }));
    }
    const addresses = [...hosts.keys()];
    const sshConfig = await writeSshConfig(scratch, addresses);
    return {
      addresses,
      sshConfig,
      through: ['nsenter', '--target', String(hub.pid), '--net'],
      on: (address, script) => {
        const pid = String(hosts.get(address)?.pid);
        return runTool('nsenter', [
          '--target',
          pid,
          '--mount',
          '--net',
          '--uts',
          '--pid',
          'sh',
          '-c',
          script,
        ]);
      },
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Namespace {
  /** Of the process inside, as we see it. */
  readonly pid: number;
  end(): Promise<void>;
}

/** Everything in it ends with it, and it with us. */
async function startNamespace(kinds: readonly string[], script: string): Promise<Namespace> {
  const words = [...kinds, '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const child = spawn('unshare', [...words, 'sh', '-c', script], { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = once(child, 'exit');
  const pid = await childOf(child);
  return {
    pid,
    end: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function childOf({ pid }: ChildProcess): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    const found = await runTool('ps', ['-o', 'pid=', '--ppid', String(pid)]).catch(() => '');
    if (found.trim() !== '') return Number(found.trim());
    await sleep(25);
  }
  throw new Error('unshare started nothing');
}

const inHub = (hub: Namespace, script: string): Promise<string> =>
  runTool('nsenter', ['--target', String(hub.pid), '--net', 'sh', '-ec', script]);

interface HostFacts {
  readonly address: string;
  readonly machine: string;
  readonly index: number;
}

async function makeKeys(scratch: Scratch): Promise<void> {
  for (const name of ['host-key', 'client-key'])
    await runTool('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', scratch.path(name)]);
  await runTool('cp', [scratch.path('client-key.pub'), scratch.path('authorized')]);
}

async function startHost(scratch: Scratch, hub: Namespace, facts: HostFacts): Promise<Namespace> {
  const directory = scratch.path(`host-${facts.index}`);
  mkdirSync(directory);
  writeFileSync(`${directory}/sshd_config`, sshdConfig(scratch));
  writeFileSync(`${directory}/hosts`, `127.0.0.1 localhost\n${facts.address} host-${facts.index}\n`);
  writeFileSync(`${directory}/shadow`, 'root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n');
  writeFileSync(`${directory}/uname`, unameShim(facts.machine));
  chmodSync(`${directory}/uname`, 0o755);
  const namespace = await startNamespace(['--net', '--uts'], hostScript(directory, facts));
  await inHub(
    hub,
    `ip link add v${facts.index} type veth peer name eth0 netns ${namespace.pid}
    ip link set v${facts.index} master br0 up`,
  );
  await waitForPort(hub, facts.address);
  return namespace;
}

const sshdConfig = (scratch: Scratch): string => `Port 22
HostKey ${scratch.path('host-key')}
AuthorizedKeysFile ${scratch.path('authorized')}
StrictModes no
UsePAM no
PidFile none
PermitRootLogin prohibit-password
`;

/** What it says with -m alone is the host's; everything else is the kernel's. */
const unameShim = (machine: string): string => `#!/bin/sh
[ "$*" = -m ] && exec echo ${machine}
exec busybox uname "$@"
`;

const hostScript = (directory: string, { address, index }: HostFacts): string => `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /root
mkdir /run/sshd
mount --bind ${directory}/hosts /etc/hosts
mount --bind ${directory}/shadow /etc/shadow
mount --bind ${directory}/uname "$(command -v uname)"
hostname host-${index}
ip link set lo up
for try in $(seq 200); do ip link show eth0 >/dev/null 2>&1 && break; sleep 0.02; done
ip addr add ${address}/24 dev eth0
ip link set eth0 up
exec /usr/sbin/sshd -D -e -f ${directory}/sshd_config 2>${directory}/sshd.log`;

async function waitForPort(hub: Namespace, address: string): Promise<void> {
  await inHub(
    hub,
    `for try in $(seq 200); do ssh-keyscan -T 1 ${address} 2>/dev/null | grep -q ed25519 && exit 0; sleep 0.05; done; exit 1`,
  );
}

async function writeSshConfig(scratch: Scratch, addresses: readonly string[]): Promise<string> {
  const key = (await runTool('cat', [scratch.path('host-key.pub')])).trim();
  const known = await scratch.write('known', addresses.map((address) => `${address} ${key}\n`).join(''));
  return scratch.write(
    'ssh_config',
    `Host *\n  User root\n  IdentityFile ${scratch.path('client-key')}\n  UserKnownHostsFile ${known}\n`,
  );
}
