/** Known ways in which programs fail under emulation, recognised in the last output of a failed step. Crashes may be the emulator's. */

export interface Explanation {
  /** A short phrase: why. */
  readonly what: string;
  /** What to do about it, one sentence. */
  readonly hint: string;
  /** The program died as it would not on its own machine: another emulator may run it. */
  readonly crash: boolean;
}

/**
 * The first row that fits; undefined when nothing is recognised. `tail` is the end of the output, `status` the exit
 * status as a shell says it. Rows about one machine are left out when `arch` (qemu's name) is another.
 */
export function explainFailure(tail: string, status: number, arch?: string): Explanation | undefined {
  const lines = lastLines(tail);
  const fitting = KNOWN_FAILURES.filter(
    ({ output, statuses, archs }) =>
      (output === undefined || lines.some((line) => output.test(line))) &&
      (statuses === undefined || statuses.includes(status)) &&
      (archs === undefined || arch === undefined || archs.includes(arch)),
  );
  const [first] = fitting;
  if (first === undefined) return undefined;
  return { what: first.what, hint: first.hint, crash: fitting.some(({ crash }) => crash === true) };
}

const TAIL = 16_384;
const LONGEST_LINE = 500;

/** Output is hostile too: short lines keep the cost of a search small, whatever a pattern does with them. */
function lastLines(tail: string): string[] {
  return tail
    .slice(-TAIL)
    .split('\n')
    .map((line) => line.slice(0, LONGEST_LINE));
}

interface KnownFailure extends Omit<Explanation, 'crash'> {
  readonly crash?: true;
  /** Tried on each line. */
  readonly output?: RegExp;
  readonly statuses?: readonly number[];
  readonly archs?: readonly string[];
}

const SIGILL = 128 + 4;
const SIGABRT = 128 + 6;
const SIGSEGV = 128 + 11;
const CANNOT_EXECUTE = 126;
const NOT_FOUND = 127;

/** Said by qemu itself, before it runs anything. */
export const UNKNOWN_CPU = /unable to find CPU model|CPU model '?[^']*'? not found/i;

/** Special before general. */
export const KNOWN_FAILURES: readonly KnownFailure[] = [
  {
    output: /^qemu-\w+ version \d/,
    what: 'the emulator printed its version instead of running the program',
    hint: 'rename the variable QEMU_VERSION of the Kubefile or of the base image',
  },
  {
    output: UNKNOWN_CPU,
    what: 'the emulator does not know the CPU model',
    hint: 'choose another --emulator-cpu; `qemu-<arch> -cpu help` lists them',
  },
  {
    output: /uncaught target signal 4|Illegal instruction/i,
    archs: ['aarch64'],
    crash: true,
    what: 'the program uses instructions that the emulated CPU does not have',
    hint: 'try --emulator-cpu max,pauth-impdef=on',
  },
  {
    statuses: [SIGILL],
    archs: ['aarch64'],
    crash: true,
    what: 'the program uses instructions that the emulated CPU does not have',
    hint: 'try --emulator-cpu max,pauth-impdef=on',
  },
  {
    output: /uncaught target signal 4|Illegal instruction/i,
    crash: true,
    what: 'the program uses instructions that the emulated CPU does not have',
    hint: 'try --emulator-cpu max, or a newer emulator',
  },
  {
    output: /Unable to find a guest_base|Unable to reserve 0x[0-9a-f]+ bytes/,
    what: 'the emulator cannot reserve the address space of a 32-bit program',
    hint: 'lift `ulimit -v`, and look at vm.overcommit_memory and vm.mmap_min_addr with `arch-build doctor`',
  },
  {
    output: /Unsupported syscall: \d+/,
    what: 'the emulator is older than the libc of the image',
    hint: 'take a newer emulator: `arch-build emulators fetch`',
  },
  {
    output: /setgroups 65534 failed|setgroups: Operation not permitted|seteuid \d+ failed/,
    what: 'only one user id is mapped, so programs cannot change to another',
    hint: 'give this user ranges in /etc/subuid and /etc/subgid (package uidmap), or write APT::Sandbox::User "root" for apt',
  },
  {
    output: /effective uid is not 0|must be owned by uid 0 and have the setuid bit set/,
    what: 'setuid programs lost their privileges: the binfmt entry of the host lacks the flag C',
    hint: 'use --isolation private, or register the emulator with the flags POCF',
  },
  {
    output: /ping: socket: Operation not permitted/,
    what: 'raw sockets are not available in a step',
    hint: 'use something other than ping to test the network',
  },
  {
    output: /ptrace.*: (?:Function not implemented|Operation not permitted)/i,
    what: 'qemu does not emulate ptrace',
    hint: 'leave strace and gdb out of the step',
  },
  {
    output: /fork\/exec .*: invalid argument/,
    what: 'Go 1.23.0 cannot start processes under qemu before 8',
    hint: 'use a later Go 1.23, or take a newer emulator: `arch-build emulators fetch`',
  },
  {
    output: /Failed to set up credentials/,
    what: 'systemd tools use clone flags that emulation does not have',
    hint: 'ignore the failure of this tool in the step, or run it offline with --root',
  },
  {
    output: /^qemu[-\w]*: (?:.*: )?Could not open|ld[-\w.]*\.so[.\d]*: No such file or directory/i,
    what: 'the dynamic loader of the program is missing in the image',
    hint: 'install the libc of the image, or copy a program that is built for its libc',
  },
  {
    output:
      /uncaught target signal (?:[5-8]|11)\b|SIGSEGV.*(?:JRE|Java|JVM)|A fatal error has been detected by the Java/i,
    crash: true,
    what: 'the program crashed under emulation',
    hint: 'use fewer threads if it compiles at run time, or take another emulator version',
  },
  {
    output:
      /qemu_\w+_exec|qemu: (?:fatal|unhandled)|qemu-\w+: .*Assertion|ERROR:\.\.\/.*(?:qemu|accel|tcg)|QEMU internal SIG/i,
    crash: true,
    what: 'the emulator itself crashed',
    hint: 'take another emulator version',
  },
  {
    output: /Exec format error/i,
    what: 'a program for another machine could not be started',
    hint: 'see `arch-build doctor`; a program of a third architecture needs its own --platform',
  },
  {
    output: /Too many levels of symbolic links/,
    statuses: [CANNOT_EXECUTE],
    what: 'the emulator is itself caught by a binfmt entry',
    hint: 'remove the entry that matches native programs: see `arch-build doctor`',
  },
  {
    output: /No such file or directory|required file not found/,
    statuses: [NOT_FOUND],
    what: 'the program, or the loader it needs, is not in the image',
    hint: 'look at the path; a file that plainly exists lacks its ELF interpreter or #! program',
  },
  {
    statuses: [SIGSEGV, SIGABRT, SIGILL],
    crash: true,
    what: 'the program crashed',
    hint: 'if it runs on real hardware, take another emulator version',
  },
];
