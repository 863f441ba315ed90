/** Native twins where they are used: under a real overlay, and of a real Debian. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { architectureByName } from '../../src/emulation/architecture.ts';
import { pinnedPackages } from '../../src/emulation/pins.ts';
import { factNumbers, factsOf } from '../../src/emulation/twins/file-facts.ts';
import { findTwins } from '../../src/emulation/twins/find-twins.ts';
import { runProgram } from '../../src/sys/run-program.ts';
import { debianHost } from '../e2e/bases.ts';
import { debianRootfs } from '../e2e/debian-rootfs.ts';
import { directoryFiles } from '../support/directory-files.ts';
import { describeWith } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { fetchedEmulators } from './fetched-emulators.ts';

/** The numbers of the table as stat tells them, times in nanoseconds. */
const STAT = `facts() { stat -c '%i %s %.9Y %.9Z 0x%f' "$1/$2" | { read -r i s m c f; echo "$i $s \${m%.*}\${m#*.} \${c%.*}\${c#*.} $((f))"; }; }`;

/** What a step would see of `bin/gzip` on two layers, after each of the scripts that change it. */
function seenThroughOverlay(scratch: Scratch, changes: readonly string[], options: string): string[] {
  for (const name of ['top/etc', 'merged']) mkdirSync(scratch.path(name), { recursive: true });
  const script = `${STAT}
    for change; do
      rm -rf "$D/upper" "$D/work"; mkdir "$D/upper" "$D/work"
      mount -t overlay overlay -o "lowerdir=$D/top:$D/base,upperdir=$D/upper,workdir=$D/work${options}" "$D/merged"
      (cd "$D/merged" && eval "$change")
      facts "$D/merged" bin/gzip; umount "$D/merged"
    done`;
  const argv = ['--mount', 'sh', '-ec', script, 'sh', ...changes];
  return execFileSync('unshare', argv, { env: { ...process.env, D: scratch.directory } })
    .toString()
    .trim()
    .split('\n');
}

describeWith(['root', 'overlay'], 'the facts of a program', () => {
  const CHANGES = [
    ':',
    'cat bin/gzip >/dev/null; touch bin/other; chmod 700 bin',
    'ln bin/gzip bin/link',
    'touch -r bin/gzip bin/gzip',
    'chmod 755 bin/gzip',
    'printf x | dd of=bin/gzip conv=notrunc status=none; touch -r "$D/base/bin/gzip" bin/gzip',
    'cp -p bin/gzip new; mv new bin/gzip',
    'chown 0:0 bin/gzip',
    'rm bin/gzip; printf gzip >bin/gzip; chmod 755 bin/gzip; touch -r "$D/base/bin/gzip" bin/gzip',
  ];

  it.each(['', ',xino=on', ',metacopy=on', ',index=on', ',redirect_dir=on,metacopy=on'])(
    'are those of the snapshot until somebody changes it%s',
    async (options) => {
      await using scratch = await openScratch('twin-facts');
      const program = await scratch.write('base/bin/gzip', 'gzip');
      chmodSync(program, 0o755);
      utimesSync(program, 1_700_000_000, 1_600_000_000.123456);
      const before = factNumbers(factsOf(program)).join(' ');
      const [untouched, looked, ...changed] = seenThroughOverlay(scratch, CHANGES, options);
      expect([untouched, looked]).toEqual([before, before]);
      for (const [index, facts] of changed.entries()) expect(facts, CHANGES[index + 2]).not.toBe(before);
    },
  );
});

describeWith(['root', 'overlay', 'private-binfmt'], 'the twins of Debian', () => {
  const BENCH = join(import.meta.dirname, '../bench/twins.mjs');
  const MACHINES = { foreign: architectureByName('aarch64')!, native: architectureByName('x86_64')! };
  let tars: readonly [foreign: string, native: string];
  let emulator: string;

  beforeAll(async () => {
    tars = [await debianRootfs(), await debianHost()];
    emulator = (await fetchedEmulators(pinnedPackages()[0]!.version)).get('aarch64')!.path;
  });

  it('are there, and do what the emulated programs do', async () => {
    await using scratch = await openScratch('twin-debian');
    const roots = tars.map((tar, index) => {
      const root = scratch.path(String(index));
      mkdirSync(root);
      execFileSync('tar', ['-xpf', tar, '-C', root, '--xattrs', '--xattrs-include=*']);
      return root;
    }) as [string, string];
    const set = findTwins(directoryFiles(roots[0]), directoryFiles(roots[1]), MACHINES);
    if (typeof set === 'string') throw new Error(set);
    const names = set.programs.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['cat', 'dash', 'find', 'grep', 'gzip', 'sed', 'tar', 'xargs']),
    );
    for (const name of ['uname', 'arch', 'sort', 'bash', 'perl', 'mawk', 'dpkg', 'su', 'passwd'])
      expect(names).not.toContain(name);
    const compared = await runProgram(process.execPath, [BENCH, ...roots, emulator, 'true', 'tr']);
    expect(compared.stdout).toMatch(/twins, \d+ invocations, 0 differences\n$/);
    expect(compared.status).toBe(0);
  });
});
