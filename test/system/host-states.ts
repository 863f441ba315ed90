/** Broken states of a host, each made for real (see broken-host.ts), and what doctor has to say about it. */
import { lacking, registerLine } from './broken-host.ts';

export interface HostState {
  readonly name: string;
  /** Shell that breaks the host. */
  readonly break: string;
  /** Shell in front of every later command: limits, another user, another root. */
  readonly before?: string;
  /** In front of each command of ours. */
  readonly through?: string;
  /** The store is another one than that of the host that was broken: it has no image yet. */
  readonly imports?: boolean;
  /** The row that has to tell. */
  readonly id: string;
  readonly state: 'info' | 'warn' | 'fail';
  readonly says: RegExp;
  /** Whether a build works nevertheless before the fix. */
  readonly builds: boolean;
  /** Doctor's verdict differs, on purpose: its row is about programs other than the probe, or other than this build's. */
  readonly unseen?: boolean;
  /**
   * How the fix is followed: the row's own commands; `place` is the --root it names; `import` is what it says to do
   * without a network; shell for what is advised in words. `impossible` says why it cannot be followed here.
   */
  readonly follow:
    'commands' | 'place' | 'import' | { readonly by: string } | { readonly impossible: string };
  /** What somebody does besides: an entry of the host, for builds that may not register their own. */
  readonly afterwards?: string;
}

const OLD_KERNEL = lacking('mount', 1);
const BINFMT = '/proc/sys/fs/binfmt_misc';
const entry = registerLine('good');
/** The store moves to a file system of this namespace. */
const storeOn = (options: string): string =>
  `mv "$S" "$D/before" && mkdir "$S" && mount -t tmpfs -o ${options} tmpfs "$S" && cp -a "$D/before/." "$S"`;
const AMPLE = 'mount -t tmpfs -o size=5g,nr_inodes=200k tmpfs /var/lib';
const STRICT_MASK = 'ffffffffffffffffffffffffffffffffffffffff';
const ACCOUNTS = `for name in passwd subuid subgid; do cat /etc/$name > "$D/$name" || : > "$D/$name"; done
echo 'ordinary:x:12345:12345::/:/bin/sh' >> "$D/passwd"; chmod 755 "$D"
for name in passwd subuid subgid; do [ -e /etc/$name ] || : > /etc/$name; mount --bind "$D/$name" /etc/$name; done
rm -rf "$S"; mkdir "$D/user"; chown 12345:12345 "$D/user"; chmod -R a+rX "$D/program" "$D/emulators" "$D/c" "$D/bin"`;
const AS_USER = 'setpriv --reuid=12345 --regid=12345 --clear-groups';
const asUser = {
  through: AS_USER,
  before: 'rm -rf "$D/user/store"; export ARCH_BUILD_ROOT="$D/user/store" HOME="$D/user"',
  imports: true,
};

export const EMULATOR_STATES: readonly HostState[] = [
  {
    name: 'no emulator',
    break: 'rm "$E/qemu-aarch64"',
    id: 'emulator',
    state: 'fail',
    says: /none.*emulators fetch aarch64/s,
    builds: false,
    follow: 'import',
  },
  {
    name: 'an emulator without permission to execute',
    break: 'chmod 644 "$E/qemu-aarch64"',
    id: 'emulator-rejected',
    state: 'fail',
    says: /is not executable.*chmod \+x/s,
    builds: false,
    follow: 'commands',
  },
  {
    name: 'an emulator on a noexec file system',
    break:
      'cp "$E/qemu-aarch64" "$D/q" && mount -t tmpfs -o noexec tmpfs "$E" && cp "$D/q" "$E/qemu-aarch64" && chmod 755 "$E/qemu-aarch64"',
    id: 'emulator-rejected',
    state: 'fail',
    says: /noexec.*remount,bind,exec/s,
    builds: false,
    follow: 'commands',
  },
  {
    name: 'an emulator that is dynamically linked',
    break: 'rm "$E/qemu-aarch64"; cp /bin/true "$E/qemu-aarch64"',
    id: 'emulator-rejected',
    state: 'fail',
    says: /is dynamically linked/,
    builds: false,
    follow: 'import',
  },
  {
    name: 'an emulator for another machine',
    break: `tar -xOf "$BUSYBOX" bin/busybox > "$E/qemu-aarch64" || tar -xOf "$BUSYBOX" ./bin/busybox > "$E/qemu-aarch64"`,
    id: 'emulator-rejected',
    state: 'fail',
    says: /is a program for aarch64, not for/,
    builds: false,
    follow: 'import',
  },
  {
    name: 'a script in place of the emulator',
    break: 'printf "#!/bin/sh\\nexit 42\\n" > "$E/qemu-aarch64"',
    id: 'emulator-rejected',
    state: 'fail',
    says: /is a script/,
    builds: false,
    follow: 'import',
  },
  {
    name: 'an emulator that steers itself by our environment',
    break: ':',
    before: 'export QEMU_VERSION=1',
    id: 'emulator-variables',
    state: 'info',
    says: /QEMU_VERSION.*unset QEMU_VERSION/s,
    builds: true,
    follow: 'commands',
  },
];

export const KERNEL_STATES: readonly HostState[] = [
  {
    name: 'user namespaces forbidden',
    break: 'echo 0 > /proc/sys/user/max_user_namespaces',
    id: 'user-namespace',
    state: 'warn',
    says: /echo 15000 > \/proc\/sys\/user\/max_user_namespaces/,
    builds: true,
    follow: 'commands',
  },
  {
    name: 'pid namespaces forbidden',
    break: 'echo 0 > /proc/sys/user/max_pid_namespaces',
    id: 'namespaces',
    state: 'fail',
    says: /max_pid_namespaces is 0/,
    builds: false,
    follow: 'commands',
  },
  {
    name: 'mount namespaces forbidden',
    break: 'echo 0 > /proc/sys/user/max_mnt_namespaces',
    id: 'namespaces',
    state: 'fail',
    says: /max_mnt_namespaces is 0/,
    builds: false,
    follow: 'commands',
  },
  {
    name: 'a /proc with something over it',
    break: 'mount -t tmpfs tmpfs /proc/tty',
    id: 'proc',
    state: 'warn',
    says: /covers \/proc\/tty.*umount \/proc\/tty/s,
    builds: true,
    follow: 'commands',
  },
  {
    name: 'a chroot',
    break: 'mkdir "$D/r" && mount --rbind / "$D/r"',
    through: 'chroot "$D/r"',
    id: 'user-namespace',
    state: 'warn',
    says: /outside of the chroot/,
    builds: true,
    follow: { by: ':' },
    afterwards: entry,
  },
  {
    name: 'a kernel without private tables',
    break: OLD_KERNEL,
    id: 'private-binfmt',
    state: 'warn',
    says: /from Linux 6\.7 on/,
    builds: true,
    follow: { impossible: 'it takes another kernel' },
  },
];

export const TABLE_STATES: readonly HostState[] = [
  {
    name: 'no binfmt_misc mounted, on an old kernel',
    break: `${OLD_KERNEL}; umount ${BINFMT}`,
    id: 'binfmt-mount',
    state: 'warn',
    says: /not mounted.*mount -t binfmt_misc/s,
    builds: true,
    follow: 'commands',
    afterwards: entry,
  },
  {
    name: 'a table switched off, on an old kernel',
    break: `${OLD_KERNEL}; ${entry}; echo 0 > ${BINFMT}/status`,
    id: 'binfmt-status',
    state: 'warn',
    says: /switched off as a whole.*echo 1 >/s,
    builds: true,
    follow: 'commands',
  },
  {
    name: 'an entry switched off, on an old kernel',
    break: `${OLD_KERNEL}; ${entry}; echo 0 > ${BINFMT}/good`,
    id: 'binfmt-disabled',
    state: 'warn',
    says: /good is switched off/,
    builds: true,
    follow: 'commands',
  },
  {
    name: 'a good entry behind a broken one, on an old kernel',
    break: `${OLD_KERNEL}; ${entry}; ${registerLine('broken', { interpreter: '/bin/true' })}`,
    id: 'binfmt-entries',
    state: 'warn',
    says: /good never gets its turn.*dynamically linked.*echo 0 > \S+broken/s,
    builds: true,
    follow: 'commands',
  },
  {
    name: 'an entry without the flag F, on an old kernel',
    break: `${OLD_KERNEL}; ${registerLine('plain', { flags: 'POC' })}`,
    id: 'binfmt-entries',
    state: 'warn',
    says: /F is missing/,
    builds: true,
    follow: 'commands',
    afterwards: entry,
  },
  {
    name: 'an entry whose mask is too strict, on an old kernel',
    break: `${OLD_KERNEL}; ${registerLine('strict', { mask: STRICT_MASK })}`,
    id: 'binfmt-entries',
    state: 'warn',
    says: /EI_OSABI 3/,
    unseen: true,
    builds: false,
    follow: 'commands',
    afterwards: entry,
  },
  {
    name: 'an entry whose emulator is gone, where tables are private',
    break: `cp "$E/qemu-aarch64" "$D/q"; ${registerLine('gone', { interpreter: '$D/q' })}; rm "$D/q"`,
    id: 'binfmt-entries',
    state: 'info',
    says: /does not exist \(the kernel runs the file that was there/,
    builds: true,
    follow: 'commands',
  },
  {
    name: 'an entry that catches static programs of this machine',
    break: `printf '%s' ':native:M::\\x7fELF\\x02\\x01\\x01\\x03\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x03\\x00\\x3e\\x00::/bin/false:' > ${BINFMT}/register`,
    id: 'binfmt-native',
    state: 'fail',
    says: /matches programs of x86_64 itself.*echo 0 > \S+native/s,
    unseen: true,
    builds: false,
    follow: 'commands',
  },
];

export const STORE_STATES: readonly HostState[] = [
  {
    name: 'a store mounted noexec',
    break: storeOn('noexec'),
    id: 'store',
    state: 'fail',
    says: /noexec.*remount,bind,exec/s,
    builds: false,
    follow: 'commands',
  },
  {
    name: 'a store mounted read-only',
    break: `${storeOn('rw')} && mount -o remount,ro "$S"`,
    id: 'store',
    state: 'fail',
    says: /nothing can be stored.*remount,rw/s,
    builds: false,
    follow: 'commands',
  },
  {
    name: 'a store mounted nosuid',
    break: storeOn('nosuid'),
    id: 'store',
    state: 'warn',
    says: /sudo and su.*remount,bind,suid/s,
    builds: true,
    follow: 'commands',
  },
  {
    name: 'a store on an overlay',
    break: `${AMPLE}; mv "$S" "$D/l" && mkdir "$S" "$D/o" && mount -t tmpfs tmpfs "$D/o" && mkdir "$D/o/u" "$D/o/w" && mount -t overlay -o "lowerdir=$D/l,upperdir=$D/o/u,workdir=$D/o/w,userxattr" overlay "$S"`,
    id: 'overlay',
    state: 'fail',
    says: /\(overlay\).*such as --root \/var\/lib\/arch-build/s,
    builds: false,
    follow: 'place',
  },
  {
    name: 'a full disk',
    break: `${AMPLE}; ${storeOn('size=24m')}; head -c 24m /dev/zero > "$S/fill" || true`,
    id: 'store-space',
    state: 'fail',
    says: /0\.0 GiB free.*--root \/var\/lib\/arch-build/s,
    builds: false,
    follow: 'place',
  },
  {
    name: 'a file system without inodes left',
    break: `${AMPLE}; ${storeOn('size=4g,nr_inodes=600')}; for i in $(seq 600); do touch "$S/$i" 2>/dev/null || break; done`,
    id: 'store-space',
    state: 'fail',
    says: /0 inodes.*--root \/var\/lib\/arch-build/s,
    builds: false,
    follow: 'place',
  },
];

export const PROCESS_STATES: readonly HostState[] = [
  {
    name: 'few open files',
    break: ':',
    before: 'ulimit -n 128',
    id: 'limits',
    state: 'warn',
    says: /128 open files.*ulimit -n 1024/s,
    builds: true,
    follow: { impossible: 'Node raises the soft limit itself, and only root of the real host the hard one' },
  },
  {
    name: 'small files only',
    break: ':',
    before: 'ulimit -S -f 100000',
    id: 'limits',
    state: 'warn',
    says: /SIGXFSZ.*ulimit -f unlimited/s,
    builds: true,
    follow: 'commands',
  },
  {
    name: 'no_new_privs',
    break: ':',
    through: 'setpriv --no-new-privs',
    id: 'privileges',
    state: 'warn',
    says: /NoNewPrivileges=/,
    builds: true,
    follow: { impossible: 'nothing takes it back from a process' },
  },
  {
    name: 'a temporary directory mounted noexec',
    break: 'mkdir "$D/t" && mount -t tmpfs -o noexec tmpfs "$D/t"',
    before: 'export TMPDIR="$D/t"',
    id: 'temporary',
    state: 'warn',
    says: /noexec.*export TMPDIR=/s,
    builds: true,
    follow: 'commands',
  },
  {
    name: 'a temporary directory that is read-only',
    break: 'mkdir "$D/t" && mount -t tmpfs -o ro tmpfs "$D/t"',
    before: 'export TMPDIR="$D/t"',
    id: 'temporary',
    state: 'warn',
    says: /read-only.*export TMPDIR=/s,
    builds: true,
    follow: 'commands',
  },
  {
    name: 'a clock behind our own files',
    break: 'find "$D/program/dist" -name "*.js" -exec touch -d 2050-01-01 {} +',
    id: 'clock',
    state: 'warn',
    says: /2050.*set the clock/s,
    builds: true,
    follow: { impossible: 'the clock is that of the real host' },
  },
  {
    name: 'no sandbox helper',
    break: 'mv "$D/program/dist/native" "$D/native"',
    id: 'sandbox-helper',
    state: 'fail',
    says: /npm run build/,
    builds: false,
    follow: { by: 'cp -a "$D/native" "$D/program/dist/native"' },
  },
  {
    name: 'a user without subordinate ids',
    break: ACCOUNTS,
    ...asUser,
    id: 'user-ids',
    state: 'warn',
    says: /\/etc\/subuid gives ordinary none.*ordinary:100000:65536 >> \/etc\/subuid/s,
    builds: true,
    follow: 'commands',
  },
  {
    name: 'a user without newuidmap',
    break: `${ACCOUNTS}; echo ordinary:100000:65536 | tee /etc/subuid > /etc/subgid; : > "$D/empty"; mount --bind "$D/empty" "/usr/bin/newuidmap"`,
    ...asUser,
    id: 'user-ids',
    state: 'warn',
    says: /newuidmap is not setuid/,
    builds: true,
    follow: { by: 'umount "/usr/bin/newuidmap"' },
  },
];
