/** The files about names that a step may see instead of the image's. */
import { readFileSync } from 'node:fs';
import { DEFAULT_SETTINGS, type StepSettings } from './step-settings.ts';

export const STEP_HOSTNAME = 'arch-build';

const LOOPBACK_HOSTS = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  `127.0.0.1\t${STEP_HOSTNAME}`,
];

/** With the host's network the host's own names count too: a mirror may be known only there. */
export function hostFiles(
  network: 'host' | 'none',
  { hosts: added, dns }: Pick<StepSettings, 'hosts' | 'dns'> = DEFAULT_SETTINGS,
): Record<'hosts' | 'hostname' | 'resolv.conf', string> {
  const hosts = network === 'host' ? readOrEmpty('/etc/hosts') : '';
  const lines = added.map(({ names, address }) => `${address}\t${names.join(' ')}`);
  return {
    hostname: `${STEP_HOSTNAME}\n`,
    hosts: `${[...lines, ...LOOPBACK_HOSTS].join('\n')}\n${hosts}`,
    'resolv.conf': network === 'host' ? resolverFile(readOrEmpty('/etc/resolv.conf'), dns) : '',
  };
}

/** See resolv.conf(5). A search domain `.` alone is none. */
function resolverFile(ofHost: string, { servers, search, options }: StepSettings['dns']): string {
  const replaced = [
    ...(servers.length === 0 ? [] : ['nameserver']),
    ...(search.length === 0 ? [] : ['search', 'domain']),
    ...(options.length === 0 ? [] : ['options']),
  ];
  if (replaced.length === 0) return ofHost;
  const kept = ofHost.split('\n').filter((line) => !replaced.includes(line.trim().split(/\s/)[0] ?? ''));
  const domains = search.length === 1 && search[0] === '.' ? [] : search;
  const lines = [
    ...(domains.length === 0 ? [] : [`search ${domains.join(' ')}`]),
    ...servers.map((server) => `nameserver ${server}`),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
  ];
  return `${[...kept.filter((line) => line !== ''), ...lines].join('\n')}\n`;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // a host without the file resolves nothing: the step then sees the same
  }
}
