/**
 * What the hosts of a cluster run, as text for their shell. They are of any distribution: POSIX sh and the usual
 * tools, and bash where the image's own scripts want it. Pure.
 */

import { shellWord } from '../sys/shell-word.ts';

export interface NamedCommand {
  /** For people. */
  readonly text: string;
  readonly command: string;
  /** It looks itself whether there is anything to do, and there may be after a reboot. */
  readonly always?: boolean;
}

const MARK = '# arch-build';

/** Our line for the name, in place of an older one of ours. The file stays the same one: it may be a mount. */
export function hostsEntry(domain: string, address: string): string {
  const pattern = `[[:space:]]${domain.replaceAll('.', '\\.')} ${MARK}$`;
  return [
    `lines=$(grep -v ${shellWord(pattern)} /etc/hosts || true)`,
    `printf '%s\\n' "$lines" ${shellWord(`${address} ${domain} ${MARK}`)} >/etc/hosts`,
  ].join('\n');
}

interface InitOptions {
  readonly rootfs: string;
  readonly domain: string;
  readonly port: number;
  readonly runtime: string | undefined;
}

/** v0.8 images have one script that calls the others; later ones are called one by one. */
export function initCommands(scripts: readonly string[], options: InitOptions): NamedCommand[] {
  const directory = `${options.rootfs}/scripts`;
  const script = (words: readonly string[]): NamedCommand => ({
    text: words.join(' '),
    command: `cd ${shellWord(directory)} && chmod +x * && bash ${words.map(shellWord).join(' ')}`,
  });
  if (scripts.includes('init.sh')) {
    return [script(['init.sh', '/var/lib/docker', options.domain, String(options.port)])];
  }
  const runtimes = options.runtime === undefined ? ['docker.sh', 'containerd.sh'] : [`${options.runtime}.sh`];
  const runtime = runtimes.find((name) => scripts.includes(name));
  return [
    ...(runtime === undefined ? [] : [script([runtime])]),
    ...(scripts.includes('init-kube.sh') ? [script(['init-kube.sh'])] : []),
  ];
}

/** Who starts the registry: the image's script, a program in the image, or one of the host. */
export type RegistryStart =
  | { readonly kind: 'script' }
  | { readonly kind: 'program'; readonly path: string }
  | { readonly kind: 'host' };

interface RegistryOptions {
  readonly rootfs: string;
  readonly registry: string;
  readonly state: string;
  readonly domain: string;
  readonly port: number;
}

export function registryCommand(start: RegistryStart, options: RegistryOptions): NamedCommand {
  const { rootfs, registry, domain, port } = options;
  if (start.kind === 'script') {
    const words = ['init-registry.sh', String(port), `${rootfs}/registry`, domain];
    const command = `cd ${shellWord(`${rootfs}/scripts`)} && chmod +x * && bash ${words.map(shellWord).join(' ')}`;
    return { text: words.join(' '), command };
  }
  const find =
    start.kind === 'program'
      ? `program=${shellWord(`${rootfs}/${start.path}`)}`
      : [
          'program=$(command -v docker-registry || command -v registry) || {',
          `  echo 'there is no registry program: put one into the image as bin/registry, or install docker-registry' >&2`,
          '  exit 1',
          '}',
        ].join('\n');
  return {
    text: `start ${start.kind === 'program' ? start.path : 'the host’s registry program'} on port ${port} with ${registry}`,
    command: `${find}\n${serve(options)}`,
    always: true,
  };
}

/** One that still listens goes on: it reads its storage anew for each request. */
const serve = ({ registry, state, port }: RegistryOptions): string =>
  `mkdir -p ${shellWord(registry)} ${shellWord(state)} && cd ${shellWord(state)} || exit
listens() { grep -q ':${port.toString(16).toUpperCase().padStart(4, '0')} 0*:0000 0A' /proc/net/tcp /proc/net/tcp6 2>/dev/null; }
if [ -e registry.pid ] && kill -0 "$(cat registry.pid)" 2>/dev/null && listens; then exit 0; fi
if listens; then echo 'port ${port} is taken by another program' >&2; exit 1; fi
cat >registry.yml <<'END'
version: 0.1
storage:
  filesystem:
    rootdirectory: ${registry}
  delete:
    enabled: true
http:
  addr: :${port}
END
nohup setsid "$program" serve "$PWD/registry.yml" >registry.log 2>&1 </dev/null &
echo $! >registry.pid
for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  if listens; then exit 0; fi
  kill -0 "$(cat registry.pid)" 2>/dev/null || break
  sleep 0.5
done
echo 'the registry did not start:' >&2
tail -n 20 registry.log >&2
exit 1`;
