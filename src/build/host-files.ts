/** The name resolution files a step sees instead of the image's. */
import { readFileSync } from 'node:fs';

export const STEP_HOSTNAME = 'arch-build';

const LOOPBACK_HOSTS = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  `127.0.0.1\t${STEP_HOSTNAME}`,
];

/** With the host's network the host's own names count too: a mirror may be known only there. */
export function hostFiles(network: 'host' | 'none'): Record<'hosts' | 'resolv.conf', string> {
  const hosts = network === 'host' ? readOrEmpty('/etc/hosts') : '';
  return {
    hosts: `${LOOPBACK_HOSTS.join('\n')}\n${hosts}`,
    'resolv.conf': network === 'host' ? readOrEmpty('/etc/resolv.conf') : '',
  };
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // a host without the file resolves nothing: the step then sees the same
  }
}
