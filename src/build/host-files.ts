/** The files about names that a step may see instead of the image's. */
import { readFileSync } from 'node:fs';
import { isStubOfResolved, resolverFile, separateResolverFile } from './resolver-file.ts';
import { DEFAULT_SETTINGS, type StepSettings } from './step-settings.ts';

export const STEP_HOSTNAME = 'arch-build';

const LOOPBACK_HOSTS = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  `127.0.0.1\t${STEP_HOSTNAME}`,
];

/** With the host's network the host's own names count too: a mirror may be known only there. Name servers are told anyway. */
export function hostFiles(
  network: 'host' | 'none',
  { hosts: added, dns }: Pick<StepSettings, 'hosts' | 'dns'> = DEFAULT_SETTINGS,
): Record<'hosts' | 'hostname' | 'resolv.conf', string> {
  const hosts = network === 'host' ? readOrEmpty('/etc/hosts') : '';
  const lines = added.map(({ names, address }) => `${address}\t${names.join(' ')}`);
  return {
    hostname: `${STEP_HOSTNAME}\n`,
    hosts: `${[...lines, ...LOOPBACK_HOSTS].join('\n')}\n${hosts}`,
    'resolv.conf': (network === 'host' ? resolverFile : separateResolverFile)(hostResolver(network), dns),
  };
}

/** What systemd-resolved asks itself. */
const RESOLVED = '/run/systemd/resolve/resolv.conf';

function hostResolver(network: 'host' | 'none'): string {
  const text = readOrEmpty('/etc/resolv.conf');
  const upstream = network === 'none' && isStubOfResolved(text) ? readOrEmpty(RESOLVED) : '';
  return upstream === '' ? text : upstream;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // a host without the file resolves nothing: the step then sees the same
  }
}
