/**
 * An ordinary user for tests that run as root: in a mount namespace in which /etc knows the user and the subordinate
 * ids, and where the program can be reached whatever the directory it was built in allows. The host is not changed.
 */
import { chmod, chown, copyFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCli, type CallOptions, type Cli } from './cli.ts';

const PROJECT = join(import.meta.dirname, '../..');
const UID = 12_345;
const FIRST_SUBORDINATE = 500_000;

export interface UserOptions {
  /** How many subordinate ids; none unless said. */
  readonly subordinateIds?: number;
}

/**
 * A Cli whose calls are the user's; `home` is writable to the user. The test disposes it. The user has the arm64
 * emulator, as somebody would who fetched it.
 */
export async function openUserCli({ subordinateIds = 0 }: UserOptions = {}): Promise<
  Cli & { readonly home: string }
> {
  const cli = await openCli();
  const { scratch } = cli;
  await chmod(scratch.directory, 0o755);
  const home = scratch.path('home');
  await mkdir(home);
  await mkdir(scratch.path('emulators'));
  await copyFile(await emulatorOf(cli), scratch.path('emulators/qemu-aarch64'));
  await chmod(scratch.path('emulators/qemu-aarch64'), 0o755);
  for (const directory of [home, cli.temporary]) await chown(directory, UID, UID);
  await writeAccounts(cli, subordinateIds);
  const asUser = (options: CallOptions = {}): CallOptions => ({
    cwd: home,
    ...options,
    env: {
      HOME: home,
      USER: 'ordinary',
      ARCH_BUILD_ROOT: join(home, 'store'),
      ARCH_BUILD_EMULATORS: scratch.path('emulators'),
      ...options.env,
    },
    through: [...(options.through ?? []), ...throughUser(scratch.path('etc'))],
  });
  return {
    ...cli,
    root: join(home, 'store'),
    home,
    call: (args, options) => cli.call(args, asUser(options)),
    run: (args, options) => cli.run(args, asUser(options)),
  };
}

async function emulatorOf(cli: Cli): Promise<string> {
  const { emulators } = JSON.parse(await cli.run(['emulators', 'ls', 'aarch64', '--json'])) as {
    emulators: readonly { readonly path: string }[];
  };
  return emulators[0]!.path;
}

async function writeAccounts({ scratch }: Cli, subordinateIds: number): Promise<void> {
  const lines = subordinateIds === 0 ? '' : `ordinary:${FIRST_SUBORDINATE}:${subordinateIds}\n`;
  const passwd = await readFile('/etc/passwd', 'utf8');
  await scratch.write('etc/passwd', `${passwd}ordinary:x:${UID}:${UID}::/:/bin/sh\n`);
  await scratch.write('etc/subuid', lines);
  await scratch.write('etc/subgid', lines);
}

/** Replaces itself all the way, so that signals for the process reach the program. */
const throughUser = (etc: string): string[] => [
  'unshare',
  '--mount',
  '--propagation',
  'private',
  'sh',
  '-c',
  `set -e
etc=$1 node=$2
shift 3
for name in passwd subuid subgid; do
  [ -e /etc/$name ] || : > /etc/$name
  mount --bind "$etc/$name" /etc/$name
done
mount --bind '${PROJECT}' /mnt
exec setpriv --reuid=${UID} --regid=${UID} --clear-groups "$node" /mnt/dist/main.js "$@"`,
  'sh',
  etc,
];
