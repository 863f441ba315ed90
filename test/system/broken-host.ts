/**
 * A host to break: user, mount, pid and ipc namespaces of their own, with every id mapped to itself, a binfmt_misc and a
 * /proc of their own. What is mounted, registered and switched in there is gone with it; the real host sees none of it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DoctorReport } from '../../src/emulation/doctor.ts';
import type { FixOutcome } from '../../src/emulation/doctor-fix.ts';
import { architectureByName } from '../../src/emulation/architecture.ts';
import { runProgram, type ProgramResult } from '../../src/sys/run-program.ts';

const PROJECT = join(import.meta.dirname, '../..');
const EMULATORS = join(PROJECT, '.cache/test-store/emulators/7.2.22');

export interface BrokenHost extends AsyncDisposable {
  readonly directory: string;
  /** Where the store is; it has an arm64 busybox. */
  readonly store: string;
  /** A folder with an emulator of aarch64. */
  readonly emulators: string;
  /** A copy of the built program, to be broken. */
  readonly dist: string;
  /** In `sh`, with `$S` the store, `$E` the emulators and `$D` the directory; whatever the status. */
  shell(script: string, options?: ShellOptions): Promise<ProgramResult>;
}

export interface ShellOptions {
  /** Over ARCH_BUILD_ROOT, ARCH_BUILD_EMULATORS and PATH; `''` takes a variable away. */
  readonly env?: Readonly<Record<string, string>>;
}

/** `/usr/bin` has qemu on some hosts; what is found is to be ours alone, hence the fixed folder. */
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

const HOLD =
  'read _; exec unshare -m -i -p -f --kill-child --propagation private --mount-proc sh -c "echo ready; exec cat"';

/** The caller disposes it. `busybox` is a root file system of arm64. */
export async function openBrokenHost(busybox: string): Promise<BrokenHost> {
  const directory = await mkdtemp(join(tmpdir(), 'broken-host-'));
  const paths = { store: join(directory, 'store'), emulators: join(directory, 'emulators') };
  const dist = join(directory, 'program/dist');
  await mkdir(paths.emulators);
  cpSync(busybox, join(directory, 'busybox.tar'));
  cpSync(join(EMULATORS, 'qemu-aarch64'), join(paths.emulators, 'qemu-aarch64'));
  cpSync(join(PROJECT, 'dist'), dist, { recursive: true, preserveTimestamps: true });
  for (const file of ['package.json', 'emulators/pinned.json'])
    cpSync(join(PROJECT, file), join(dist, '..', file));
  symlinkSync(join(PROJECT, 'node_modules'), join(dist, '../node_modules'));
  await mkdir(join(directory, 'bin'));
  const starter = `#!/bin/sh\nexec '${process.execPath}' '${dist}/main.js' "$@"\n`; // by the name the rows of doctor use
  writeFileSync(join(directory, 'bin/arch-build'), starter, { mode: 0o755 });
  const { pid, end } = await openNamespaces();
  const shell: BrokenHost['shell'] = (script, { env = {} } = {}) => {
    const enter = ['--target', pid, '--user', '--mount', '--ipc', '--pid', '--preserve-credentials'];
    const variables = {
      PATH: `${join(directory, 'bin')}:${PATH}`,
      HOME: '/root',
      BUSYBOX: join(directory, 'busybox.tar'),
      ARCH_BUILD_ROOT: paths.store,
      ARCH_BUILD_EMULATORS: paths.emulators,
      S: paths.store,
      E: paths.emulators,
      D: directory,
      ...env,
    };
    const set = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
    return runProgram('nsenter', [...enter, '--', 'sh', '-c', script], { env: set, timeoutMs: 30_000 });
  };
  const prepared = await shell(
    `mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && mount --bind "$D" "$D" &&
     mkdir "$D/c" && printf 'FROM busybox\\nRUN uname -m > /m && cat /m\\n' > "$D/c/Kubefile" &&
     arch-build import '${busybox}' busybox --platform linux/arm64`,
  );
  if (prepared.status !== 0) throw new Error(`no host to break: ${prepared.stderr}`);
  return {
    directory,
    ...paths,
    dist,
    shell,
    [Symbol.asyncDispose]: async () => {
      await end();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function openNamespaces(): Promise<{ readonly pid: string; readonly end: () => Promise<void> }> {
  const child = spawn('unshare', ['-U', 'sh', '-c', HOLD], { stdio: ['pipe', 'pipe', 'inherit'] });
  const outer = String(child.pid);
  while (namespaceOf(outer) === namespaceOf('self')) await new Promise((resolve) => setTimeout(resolve, 2));
  for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${outer}/${map}`, '0 0 4294967295');
  child.stdin.write('\n');
  await once(child.stdout, 'data');
  const [pid = ''] = readFileSync(`/proc/${outer}/task/${outer}/children`, 'utf8').trim().split(' ');
  const end = async (): Promise<void> => {
    child.stdin.end();
    await once(child, 'close');
  };
  return { pid, end };
}

const namespaceOf = (pid: string): string => readlinkSync(`/proc/${pid}/ns/user`);

/** What `doctor --json` said. */
export interface Answer extends DoctorReport {
  readonly status: number;
  readonly fixes?: readonly FixOutcome[];
}

/** Lines for `register` in this namespace; the order of their fields is name, magic, mask, interpreter, flags. */
export const registerLine = (
  name: string,
  change: { readonly mask?: string; readonly interpreter?: string; readonly flags?: string } = {},
): string => {
  const { magic, mask } = architectureByName('aarch64')!;
  const { interpreter = '$E/qemu-aarch64', flags = 'POCF' } = change;
  const escaped = (hex: string): string => hex.replaceAll(/../g, String.raw`\x$&`);
  return `printf '%s' ':${name}:M::${escaped(magic)}:${escaped(change.mask ?? mask)}:'"${interpreter}:${flags}" > /proc/sys/fs/binfmt_misc/register`;
};

/**
 * Stands before the real sandbox helper and answers one kind of operation as a kernel would that lacks something:
 * `mount` of binfmt_misc (before 6.7), or `write` of a registration (before 4.8, which does not know F).
 */
export const lacking = (operation: 'mount' | 'write', errno: number): string => `
cat > "$D/lacking" <<'END'
#!/usr/bin/python3
import os, sys
COUNTS = dict(unshare=1, mount=5, restrict=2, mkdir=2, touch=1, chdir=1, workdir=1, symlink=2, write=2, enter=3,
              pivot=1, hostname=1, umask=1, capabilities=1, ids=3, loopback=0, init=0, terminal=0)
plan = b''
while chunk := os.read(3, 65536): plan += chunk
words = [word.decode() for word in plan.split(bytes(1))[:-1]]
at = index = 0
while at < len(words):
    name = words[at]
    operands = words[at + 1:at + 1 + COUNTS[name]] if name in COUNTS else words[at + 2:at + 2 + int(words[at + 1])]
    if (name == 'mount' and operands[2] == 'binfmt_misc' or name == 'write' and operands[0].endswith('/register')) and name == '${operation}':
        os.write(4, b'fail %d ${operation} ${errno}\\n' % index)
        sys.exit(125)
    at += len(operands) + (1 if name in COUNTS else 2)
    index += 1
real, write_end = os.pipe()
os.write(write_end, plan)
os.close(write_end)
os.dup2(real, 3)
os.set_inheritable(4, True)
os.execv(os.path.realpath(sys.argv[0]) + '.real', ['sandbox', sys.argv[1]])
END
mv "$D/program/dist/native/sandbox" "$D/program/dist/native/sandbox.real"
mv "$D/lacking" "$D/program/dist/native/sandbox" && chmod 755 "$D/program/dist/native/sandbox"`;
