/**
 * Commands on other hosts, through the system's ssh: its configuration, keys and agent count, and one connection is
 * kept for each host as long as the work lasts.
 *
 * Nothing is asked: keys only, unless $SSH_ASKPASS is forced. A command dies with its connection, however that ends:
 * a watcher beside it waits for the end of its input, which comes when we close it and when we are killed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ArchBuildError } from '../errors.ts';
import { inInitialUserNamespace } from './identity.ts';
import { shellWord } from './shell-word.ts';
import { openTemporary } from './temporary.ts';

/** Which host keys are believed: those known; unknown ones too, from then on; any. */
export type HostKeys = 'known' | 'new' | 'any';

export interface SshOptions {
  /** The configuration's, else root. */
  readonly user?: string | undefined;
  readonly port?: number | undefined;
  readonly identity?: string | undefined;
  /** Instead of the user's configuration file. */
  readonly config?: string | undefined;
  readonly hostKeys: HostKeys;
}

export interface RemoteCall {
  readonly signal: AbortSignal;
  readonly onOutput?: (stream: 'stdout' | 'stderr', data: Buffer) => void;
  /** For the command's standard input. Without it the command has none and is watched over. */
  readonly input?: AsyncIterable<Uint8Array>;
}

export interface RemoteOutcome {
  readonly status: number;
  /** The last of it, when it is more than 64 MiB. */
  readonly stdout: string;
  /** The last lines of both streams. */
  readonly tail: readonly string[];
}

export interface Ssh extends AsyncDisposable {
  /** A script for sh, as root (with sudo for other users). Throws REMOTE when the host is not reached, INTERRUPTED. */
  run(address: string, script: string, call: RemoteCall): Promise<RemoteOutcome>;
}

/** The caller disposes it: connections are closed. */
export function openSsh(options: SshOptions): Ssh {
  const temporary = openTemporary('arch-build-ssh');
  const words = optionWords(options);
  const sockets = new Map<string, string>();
  const wordsFor = (address: string): string[] => {
    const socket = sockets.get(address) ?? join(temporary.directory, String(sockets.size));
    sockets.set(address, socket);
    return [...words, ...sharedConnection(socket), address];
  };
  const reached = new Set<string>();
  return {
    run: async (address, script, call) => {
      const outcome = await callHost(wordsFor(address), script, call);
      if (outcome.status === CONNECTION_FAILED && !reached.has(address)) throw notReached(address, outcome);
      reached.add(address);
      return outcome;
    },
    [Symbol.asyncDispose]: async () => {
      for (const address of reached) await closeConnection(['-O', 'exit', ...wordsFor(address)]);
      await temporary[Symbol.asyncDispose]();
    },
  };
}

const CONNECTION_FAILED = 255;

const HOST_KEY_WORDS: Readonly<Record<HostKeys, readonly string[]>> = {
  known: ['-o', 'StrictHostKeyChecking=yes'],
  new: ['-o', 'StrictHostKeyChecking=accept-new'],
  any: ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'],
};

function optionWords({ user, port, identity, config, hostKeys }: SshOptions): string[] {
  const login = user ?? (config === undefined ? 'root' : undefined);
  const asks = ['force', 'prefer'].includes(process.env['SSH_ASKPASS_REQUIRE'] ?? '');
  return [
    ...(config === undefined ? ownHomeWords() : ['-F', config]),
    ...(login === undefined ? [] : ['-l', login]),
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(identity === undefined ? [] : ['-i', identity, '-o', 'IdentitiesOnly=yes']),
    ...HOST_KEY_WORDS[hostKeys],
    ...['-T', '-o', `BatchMode=${asks ? 'no' : 'yes'}`, '-o', 'ConnectTimeout=15'],
    ...['-o', 'ServerAliveInterval=15'],
  ];
}

/** Of a socket's name the kernel takes 107 bytes, and ssh adds 17 while it makes it. */
const LONGEST_SOCKET = 90;

/** One connection for all calls to a host; each has its own where no socket can be. */
function sharedConnection(socket: string): string[] {
  if (Buffer.byteLength(socket) > LONGEST_SOCKET) return [];
  return ['-o', 'ControlMaster=auto', '-o', 'ControlPersist=15', '-o', `ControlPath=${socket}`];
}

/** In a namespace of our own we are root to ssh, which would look for the keys and hosts of root. */
function ownHomeWords(): string[] {
  const home = process.env['HOME'];
  if (home === undefined || inInitialUserNamespace()) return [];
  const at = (name: string): string => join(home, '.ssh', name);
  const keys = ['id_ed25519', 'id_ecdsa', 'id_rsa'].map(at).filter((path) => existsSync(path));
  return [
    ...(existsSync(at('config')) ? ['-F', at('config')] : []),
    ...['-o', `UserKnownHostsFile=${at('known_hosts')}`],
    ...keys.flatMap((path) => ['-o', `IdentityFile=${path}`]),
  ];
}

async function callHost(
  words: readonly string[],
  script: string,
  { signal, onOutput, input }: RemoteCall,
): Promise<RemoteOutcome> {
  interruptedIf(signal);
  const child = spawn('ssh', [...words, asRoot(input === undefined ? watched(script) : script)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true, // Ctrl-C reaches us alone: the other side is to be told first
  });
  child.stdin.on('error', () => undefined); // the other side has ended; its status says why
  const failure = startFailure(child);
  const output = collect(child, onOutput);
  const stop = (): void => void stopGently(child);
  signal.addEventListener('abort', stop, { once: true });
  try {
    const closed = once(child, 'close') as Promise<[number | null]>;
    const sent = input === undefined ? undefined : pipeline(Readable.from(input), child.stdin);
    const sending = sent?.catch((error: unknown) => error);
    const [status] = await Promise.race([closed, failure]);
    interruptedIf(signal);
    const unsent = await sending;
    if (unsent instanceof ArchBuildError) throw unsent; // what was to be sent cannot be read
    return { status: status ?? CONNECTION_FAILED, ...output() };
  } finally {
    signal.removeEventListener('abort', stop);
    child.stdin.destroy();
  }
}

/** As every login shell reads it: it may be a csh. */
const asRoot = (script: string): string =>
  `exec sh -c ${shellWord('if [ "$(id -u)" = 0 ]; then exec sh -c "$1"; fi; exec sudo -n sh -c "$1"')} sh ${shellWord(script)}`;

/** In a process group of its own, which is ended when our side closes the input. */
const watched = (script: string): string => `exec 3<&0 </dev/null
session=$(command -v setsid) || session=
$session sh -c ${shellWord(script)} 3<&- &
child=$!
( read -r _ <&3
kill -TERM -$child || kill -TERM $child
sleep 5
kill -KILL -$child || kill -KILL $child ) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait $child
status=$?
kill $watcher
exit $status`;

const GENTLE_MS = 8000;

async function stopGently(child: ChildProcess): Promise<void> {
  child.stdin?.end();
  const ended = once(child, 'close').catch(() => undefined);
  await Promise.race([ended, sleep(GENTLE_MS, undefined, { ref: false })]);
  child.kill('SIGKILL');
}

function startFailure(child: ChildProcess): Promise<never> {
  return once(child, 'error').then(([error]: NodeJS.ErrnoException[]) => {
    throw new ArchBuildError('TOOL_MISSING', `cannot start ssh: ${error?.code ?? ''}`, {
      hint: 'install the OpenSSH client',
      cause: error,
    });
  });
}

const KEPT = { stdout: 64 << 20, tail: 16 << 10 } as const;
const TAIL_LINES = 20;

function collect(
  child: ChildProcess,
  onOutput: RemoteCall['onOutput'],
): () => Pick<RemoteOutcome, 'stdout' | 'tail'> {
  const kept = { stdout: '', both: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.on('data', (data: Buffer) => {
      const text = data.toString('utf8');
      kept.both = (kept.both + text).slice(-KEPT.tail);
      if (stream === 'stdout') kept.stdout = (kept.stdout + text).slice(-KEPT.stdout);
      onOutput?.(stream, data);
    });
  }
  return () => ({
    stdout: kept.stdout,
    tail: kept.both
      .split(/\r?\n/)
      .filter((line) => line.trim() !== '')
      .slice(-TAIL_LINES),
  });
}

/** What ssh says, and what to do about it. */
const REASONS: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [
    /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/,
    'put the host’s key into known_hosts, or accept keys of new hosts with --host-keys new',
  ],
  [
    /Permission denied|Too many authentication failures/,
    'name a key with --identity or start an agent: passwords are asked only by a program in $SSH_ASKPASS, with SSH_ASKPASS_REQUIRE=force',
  ],
  [/timed out|refused|No route|unreachable/, 'is the host up, and the port right (--port)?'],
];

function notReached(address: string, { tail }: RemoteOutcome): ArchBuildError {
  const hint = REASONS.find(([pattern]) => tail.some((line) => pattern.test(line)))?.[1];
  const reason = tail.at(-1) ?? 'ssh ended without a word';
  return new ArchBuildError(
    'REMOTE',
    `cannot reach ${address}: ${reason}`,
    hint === undefined ? {} : { hint },
  );
}

async function closeConnection(words: readonly string[]): Promise<void> {
  const child = spawn('ssh', words, { stdio: 'ignore' });
  await once(child, 'close').catch(() => undefined);
}

function interruptedIf(signal: AbortSignal): void {
  if (signal.aborted) throw new ArchBuildError('INTERRUPTED', 'interrupted');
}
