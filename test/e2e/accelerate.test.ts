/** `--accelerate`: programs of a Debian for arm64 run as their native twins, and the image is the same to the byte. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { captureCliState, diffHostState } from '../support/host-state.ts';
import { describeWith } from '../support/requires.ts';
import { busyboxRootfs, debianHost } from './bases.ts';
import { debianRootfs } from './debian-rootfs.ts';
import { build } from './projects.ts';
import { closeVerified } from './verified.ts';

let cli: Cli;

beforeAll(async () => {
  cli = await openCli();
  await cli.run(['import', await debianRootfs(), 'foreign', '--platform', 'linux/arm64']);
  await cli.run(['import', await debianHost(), 'native', '--platform', 'linux/amd64']);
  await cli.run(['import', await busyboxRootfs(), 'busybox', '--platform', 'linux/arm64']);
  await cli.run(['import', await busyboxRootfs('armv7l'), 'armbox', '--platform', 'linux/arm/v7']);
  await cli.run(['manifest', 'create', 'debian', 'foreign', 'native']);
});
afterAll(() => closeVerified(cli));

/** What a shell in the base prints; `flags` in front of the image. */
async function sh(script: string, flags: readonly string[] = ['--accelerate']): Promise<string> {
  return cli.run(['run', '--platform', 'linux/arm64', ...flags, 'debian', 'sh', '-c', script]);
}

/** Where a program really is when it runs: its own exe. What names a file of /proc is left to the emulator. */
const exe = (variable = ''): string => `cd /proc; ${variable} ls -l self/exe | sed "s/.*-> //"`;
const EXE = exe();
const NATIVE = '/dev/twins/loader';

const WORK = `FROM debian
RUN mkdir /work && cd /work && i=0 && while [ $i -lt 300 ]; do echo "line $i of many" > f$i; i=$((i+1)); done
RUN cd /work && find . -name 'f1*' | xargs sed -i 's/line/LINE/' && ln f1 hard && ln -s f2 soft && chmod 4755 f3 \\
  && chown daemon:daemon f4 && cp -a /etc/passwd . && tar -cf all.tar --mtime=@1000000000 f* && gzip -9nk all.tar && xz -k all.tar \\
  && sha256sum f* > sums && grep -c LINE f* > counts; rm -rf f5 && touch -d @1000000000 f6 && install -m 640 f7 /etc/f7
`;

describeWith(['root', 'private-binfmt', 'command:debootstrap'], '--accelerate', () => {
  it('makes the same image, and leaves the host as it was', async () => {
    const before = captureCliState(cli);
    const digests: string[] = [];
    for (const flags of [[], ['--accelerate'], ['--accelerate=on']]) {
      const args = [...flags, '--no-cache', '--source-date-epoch', '1700000000', '--dialect', 'dockerfile'];
      digests.push((await build(cli, 'work', { kubefile: WORK, args })).digest);
    }
    expect(new Set(digests).size).toBe(1);
    expect(diffHostState(before, captureCliState(cli))).toEqual([]);
  });

  it('starts twins, under their own names', async () => {
    expect(await sh(EXE, [])).toMatch(/\/qemu-aarch64$/);
    expect(await sh(EXE)).toBe(NATIVE);
    expect(await sh('cd /proc; cat self/comm; cat $$/comm')).toBe('cat\ndash');
    expect(await sh('uname -m; dpkg --print-architecture; arch')).toBe('aarch64\narm64\naarch64');
    expect(await sh('dpkg-deb --version')).toContain('(arm64)');
    expect(await sh(`echo "$0" "$#" "$@"; ${EXE}`)).toBe(`sh 0\n${NATIVE}`);
    expect(await sh(`sh -c 'echo "$@"' x "a  b" "" '*'; exit 3`).catch(String)).toContain('exit status 3');
    expect(await sh(`echo '${EXE}' > /x; sed -i '1i #!/bin/sh' /x; chmod +x /x; /x`)).toBe(NATIVE);
  });

  it.each(['LANG=en_US.UTF-8', 'LC_ALL=C.UTF-8', 'LC_MESSAGES=POSIX', 'LC_TIME=ja_JP.UTF-8'])(
    'starts them under a locale without translations: %s',
    async (variable) => {
      expect(await sh(exe(variable))).toBe(NATIVE);
    },
  );

  it('starts them for other users, and in a directory of another', async () => {
    expect(await sh(`id -un; ${EXE}; stat -c %U /etc/shadow`, ['--accelerate', '-u', 'nobody'])).toBe(
      `nobody\n${NATIVE}\nroot`,
    );
  });

  it.each([
    ['that a step has replaced', `cp /bin/ls /n && sed -i s/xyz/abc/ /n && mv /n /bin/ls; ${EXE}`],
    ['that has got other rights', `chmod g+s /bin/ls; ${EXE}`],
    ['under LD_LIBRARY_PATH', exe('LD_LIBRARY_PATH=/nowhere')],
    ['under another locale', exe('LC_ALL=de_DE.ISO-8859-1')],
    ['whose messages are translated', exe('LANG=ja_JP.UTF-8')],
    ['whose messages are translated by one language or another', exe('LANGUAGE=en_US.UTF-8:ja.utf8')],
    ['whose messages get another charset', exe('OUTPUT_CHARSET=EUC-JP')],
    ['when names are looked up elsewhere', `echo 'passwd: ldap files' > /etc/nsswitch.conf; ${EXE}`],
    ['that names a file of /proc', 'ls -l /proc/self/exe'],
    ['when libraries are preloaded', `echo > /etc/ld.so.preload; ${EXE}`],
  ])('leaves a program to the emulator %s', async (_, script) => {
    expect(await sh(script)).not.toContain(NATIVE);
  });

  it('counts blocks as on the other machine', async () => {
    const script =
      'cd /var; head -c 4608000 /dev/zero > f; ls -s --block-size=1500 f; BLOCK_SIZE=1500 ls -s f';
    expect(await sh(script)).toBe(await sh(script, [])); // 3072, where 64 bits of precision make 3073 of it
  });

  it('takes limits of memory for no more than the emulator does: it could not start with them', async () => {
    const script = 'ulimit -v 50000; ulimit -s 100; ulimit -d 100; ulimit -n 99; echo a | sort; ulimit -a';
    expect(await sh(script)).toBe(await sh(script, []));
    expect(await sh(`${script}; ${EXE}`)).toMatch(/^a\n[^]*nofiles +99\n[^]*\/dev\/twins\/loader$/);
  });

  it('leaves programs of a rootfs inside the rootfs to the emulator', async () => {
    const library = '/lib/aarch64-linux-gnu';
    const script = `mkdir -p /r/bin /r${library} && cp /bin/ls /r/bin && cp /lib/ld-linux-aarch64.so.1 /r/lib
      for name in libc.so.6 libselinux.so.1 libpcre2-8.so.0; do cp ${library}/$name /r${library}; done
      exec chroot /r /bin/ls /`;
    expect(await sh(script)).toBe('bin\nlib');
  });

  it('says why a base has no twins, and refuses where there have to be some', async () => {
    const kubefile = 'FROM busybox\nRUN true\n';
    const { log } = await build(cli, 'bare', { kubefile, args: ['--accelerate', '--no-cache'] });
    expect(log).toMatch(/programs of .*busybox:latest are not accelerated: /);
    await expect(build(cli, 'bare', { kubefile, args: ['--accelerate=on', '--no-cache'] })).rejects.toThrow(
      /HOST_INCAPABLE.*not accelerated/s,
    );
  });

  it('says that a machine has no twins without asking for the base of this one', async () => {
    const options = { platforms: ['--platform', 'linux/arm/v7'], args: ['--accelerate', '--no-cache'] };
    const { log } = await build(cli, 'arm', { kubefile: 'FROM armbox\nRUN true\n', ...options });
    expect(log).toMatch(/programs of .*armbox:latest are not accelerated: no program of arm is known/);
  });

  it.each([
    ['auto', 0, 'warning: programs are not accelerated: '],
    ['on', 2, '--isolation private'],
  ])('says that programs started by a tracer are not accelerated (%s)', async (choice, expected, text) => {
    const flags = [`--accelerate=${choice}`, '--isolation', 'prefix'];
    const { status, stderr } = await cli.call(['run', ...flags, 'busybox', 'true']);
    expect([status, stderr]).toEqual([expected, expect.stringContaining(text)]);
  });
});
