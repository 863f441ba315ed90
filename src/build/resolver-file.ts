/** `/etc/resolv.conf` of a step, from the host's. Pure. See resolv.conf(5). */
import type { StepSettings } from './step-settings.ts';

type Dns = StepSettings['dns'];

/** The host's, with what the user says in its place. A search domain `.` alone is none. */
export function resolverFile(ofHost: string, { servers, search, options }: Dns): string {
  const replaced = [
    ...(servers.length === 0 ? [] : ['nameserver']),
    ...(search.length === 0 ? [] : ['search', 'domain']),
    ...(options.length === 0 ? [] : ['options']),
  ];
  if (replaced.length === 0) return ofHost;
  const kept = ofHost.split('\n').filter((line) => !replaced.includes(wordsOf(line)[0] ?? ''));
  const domains = search.length === 1 && search[0] === '.' ? [] : search;
  const lines = [
    ...(domains.length === 0 ? [] : [`search ${domains.join(' ')}`]),
    ...servers.map((server) => `nameserver ${server}`),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
  ];
  return `${[...kept.filter((line) => line !== ''), ...lines].join('\n')}\n`;
}

/** What BuildKit writes where no other server is left. */
const PUBLIC_SERVERS = ['8.8.8.8', '8.8.4.4', '2001:4860:4860::8888', '2001:4860:4860::8844'];

/**
 * In a network of the step's own, as BuildKit has it: servers on the host's loopback are not there. Without a network
 * no server is reached at all, but the file has what programs expect to find in it.
 */
export function separateResolverFile(ofHost: string, dns: Dns): string {
  const lines = resolverFile(ofHost, dns)
    .split('\n')
    .map(wordsOf)
    .filter(([word = '#']) => !/^[#;]/.test(word));
  const servers = lines.flatMap(([word, server = '']) => (word === 'nameserver' ? [server] : []));
  const others = servers.filter((server) => !isLoopback(server));
  return [
    ...(others.length > 0 ? others : PUBLIC_SERVERS).map((server) => ['nameserver', server]),
    ...lines.filter(([word]) => word === 'search' || word === 'domain').slice(-1), // the last one counts
    ...lines.filter(([word = '']) => !['nameserver', 'search', 'domain'].includes(word)),
  ]
    .map((words) => `${words.join(' ')}\n`)
    .join('');
}

/** systemd-resolved answers there for the servers that it keeps in a file of its own. */
export const isStubOfResolved = (ofHost: string): boolean => {
  const servers = ofHost
    .split('\n')
    .map(wordsOf)
    .filter(([word]) => word === 'nameserver');
  return servers.length === 1 && servers[0]?.[1] === '127.0.0.53';
};

const isLoopback = (server: string): boolean => /^127\.|^::1$/.test(server);

const wordsOf = (line: string): string[] => line.split(/\s+/).filter((word) => word !== '');
