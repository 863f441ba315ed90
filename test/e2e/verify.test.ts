/** `verify` on real images: what breaks them, and what other tools say about it. */
import { cp, mkdir, readFile, rm, truncate, writeFile, appendFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { busyboxRootfs } from './bases.ts';
import { MUTATIONS, mutate } from './mutations.ts';
import { build } from './projects.ts';

interface Result {
  readonly name: string;
  readonly digest: string | null;
  readonly findings: readonly {
    readonly code: string;
    readonly severity: string;
    readonly digest?: string;
    readonly path?: string;
    readonly found?: string;
    readonly expected?: string;
  }[];
}

let cli: Cli;
let layout: string;

async function verify(...args: readonly string[]): Promise<{ status: number | null; results: Result[] }> {
  const { status, stdout, stderr } = await cli.call(['verify', '--json', ...args]);
  expect(stderr).toBe('');
  return { status, results: JSON.parse(stdout) as Result[] };
}

const errorsOf = (results: readonly Result[]): string[] =>
  results
    .flatMap(({ findings }) => findings.filter(({ severity }) => severity === 'error'))
    .map(({ code }) => code);

beforeAll(async () => {
  cli = await openCli();
  const platforms = ['--platform', 'linux/amd64,linux/arm64'];
  const kubefile = 'FROM scratch\nCOPY hello /hello\nLABEL a=b\n';
  await build(cli, 'two', {
    kubefile,
    files: { hello: 'hello\n' },
    platforms,
    args: ['--dialect', 'dockerfile'],
  });
  await cli.run(['save', '-o', cli.scratch.path('two.tar'), 'two']);
  layout = cli.scratch.path('layout');
  await mkdir(layout);
  await runTool('tar', ['-xf', cli.scratch.path('two.tar'), '-C', layout]);
});
afterAll(() => cli[Symbol.asyncDispose]());

describeWith(['root', 'command:skopeo'], 'verify', () => {
  it('has nothing to say about what the program made: store, archive and layout', async () => {
    const { status, results } = await verify('--deep', 'two', cli.scratch.path('two.tar'), layout);
    expect(results.map(({ findings }) => findings)).toEqual([[], [], []]);
    expect(status).toBe(0);
  });

  it('says of an archive that it lacks a platform, which is an error where the archive does not know', async () => {
    const path = cli.scratch.path('partial.tar');
    await using other = await openCli();
    await other.run(['load', '--platform', 'linux/arm64', '-i', cli.scratch.path('two.tar')]);
    await other.run(['save', '-o', path, 'two']);
    const partial = await verify(path);
    expect(partial.results.flatMap(({ findings }) => findings)).toMatchObject([
      { code: 'platform-absent', severity: 'warning' },
    ]);
    expect(partial.status).toBe(0);
    const silent = cli.scratch.path('silent');
    await mkdir(silent);
    await runTool('tar', ['-xf', path, '-C', silent]);
    const index = await readFile(`${silent}/index.json`, 'utf8');
    expect(index).toContain('"dev.arch-build.absent":"linux/amd64"');
    expect((await verify(silent)).status).toBe(0);
    await writeFile(`${silent}/index.json`, index.replace(/"dev\.arch-build\.absent":"[^"]*",/g, ''));
    const unaware = await verify(silent);
    expect([unaware.status, errorsOf(unaware.results)]).toEqual([1, ['content-missing']]);
  });

  it('says the same of layouts and directories, of which skopeo reads what there is', async () => {
    await using other = await openCli();
    await other.run(['load', '--platform', 'linux/arm64', '-i', cli.scratch.path('two.tar')]);
    for (const place of [`oci:${other.scratch.path('oci')}:two`, `dir:${other.scratch.path('dir')}`]) {
      await other.run(['copy', 'two', place]);
      const target = place.replace(/^oci:(.*):two$/, '$1');
      const { status, results } = await verify(target);
      expect([status, results.flatMap(({ findings }) => findings)]).toMatchObject([
        0,
        [{ code: 'platform-absent', severity: 'warning', platform: 'linux/amd64' }],
      ]);
      const inspected = await runTool('skopeo', ['inspect', '--override-arch', 'arm64', place]);
      expect(JSON.parse(inspected)).toMatchObject({ Architecture: 'arm64', Labels: { a: 'b' } });
      await using third = await openCli();
      const copied = await third.call(['copy', place, 'store:again']);
      expect(copied.stderr).toMatch(/^warning: .*in part, without linux\/amd64$/m);
      expect(JSON.parse(await third.run(['inspect', 'again']))).toMatchObject({
        partial: true,
        absent: ['linux/amd64'],
      });
    }
  });

  it('reads directories as skopeo has them', async () => {
    const flat = cli.scratch.path('flat');
    await cli.run(['copy', 'two', `dir:${flat}`]);
    for (const target of [flat, `dir:${flat}`]) {
      const { status, results } = await verify(target);
      expect([status, results.flatMap(({ findings }) => findings)]).toEqual([0, []]);
    }
    await writeFile(`${flat}/${'0'.repeat(64)}`, 'nobody needs this');
    const { manifests } = JSON.parse(await readFile(`${flat}/manifest.json`, 'utf8')) as {
      manifests: { digest: string }[];
    };
    await writeFile(`${flat}/${manifests[0]!.digest.slice(7)}.manifest.json`, '{}');
    const { status, results } = await verify(flat);
    expect([status, results.flatMap(({ findings }) => findings.map(({ code }) => code))]).toEqual([
      1,
      expect.arrayContaining(['layout-unreferenced']) as unknown,
    ]);
  });

  it('rejects each of the eighteen mutations, for its own reason', async () => {
    const targets = MUTATIONS.map((_, at) => cli.scratch.path(`mutated-${String(at)}`));
    for (const [at, mutation] of MUTATIONS.entries()) await mutate(layout, mutation, targets[at]!);
    const found: [string, boolean][] = [];
    for (const [at, { name, code }] of MUTATIONS.entries()) {
      const { status, results } = await verify(targets[at]!);
      expect([name, status]).toEqual([name, 1]);
      found.push([name, errorsOf(results).includes(code)]);
    }
    expect(found).toEqual(MUTATIONS.map(({ name }) => [name, true]));
  });

  it('finds any blob of the layout that is flipped, cut, longer, gone or another one', async () => {
    const directory = join(layout, 'blobs/sha256');
    const names = await readdir(directory);
    const damages: Record<string, (path: string, other: string) => Promise<void>> = {
      flipped: async (path) => {
        const bytes = await readFile(path);
        bytes[bytes.length >> 1]! ^= 0x40;
        await writeFile(path, bytes);
      },
      cut: async (path) => truncate(path, (await readFile(path)).length - 1),
      longer: (path) => appendFile(path, '\0'),
      gone: (path) => rm(path),
      another: (path, other) => cp(other, path),
    };
    for (const [how, damage] of Object.entries(damages)) {
      const copies = names.map((name) => cli.scratch.path(`${how}-${name.slice(0, 12)}`));
      for (const [at, copy] of copies.entries()) {
        await cp(layout, copy, { recursive: true });
        const path = (name: string): string => join(copy, 'blobs/sha256', name);
        await damage(path(names[at]!), path(names[(at + 1) % names.length]!));
      }
      const { status, results } = await verify(...copies);
      const good = results.filter(({ digest, findings }) => digest !== null && findings.length === 0);
      expect([how, status, good]).toEqual([how, 1, []]);
      expect(results.filter(({ digest }) => digest !== null)).toHaveLength(names.length);
    }
  });

  it('finds what is around the images: files nobody needs, bytes behind the archive', async () => {
    const copy = cli.scratch.path('around');
    await cp(layout, copy, { recursive: true });
    await writeFile(join(copy, 'blobs/sha256/half.tmp'), 'x');
    await writeFile(join(copy, 'README'), 'x');
    const around = (await verify(copy)).results.find(({ digest }) => digest === null);
    expect(around?.findings).toMatchObject([
      { code: 'layout-file', severity: 'warning', path: 'README' },
      { code: 'layout-blob-name', severity: 'error', path: 'blobs/sha256/half.tmp' },
    ]);
    await cp(cli.scratch.path('two.tar'), cli.scratch.path('longer.tar'));
    await appendFile(cli.scratch.path('longer.tar'), 'x');
    const { status, results } = await verify(cli.scratch.path('longer.tar'));
    expect([status, errorsOf(results)]).toEqual([1, ['archive-tar']]);
  });

  it('tells with --deep which programs are for another machine', async () => {
    await cli.run(['import', await busyboxRootfs('arm64'), 'wrong', '--platform', 'linux/s390x']);
    expect(await verify('wrong')).toMatchObject({ status: 0 });
    const { status, results } = await verify('--deep', 'wrong');
    expect(status).toBe(1);
    expect(results[0]!.findings).toMatchObject([
      { code: 'elf-architecture', path: '/bin/busybox', found: 'arm64', expected: 'linux/s390x' },
    ]);
    const { stdout } = await cli.call(['verify', '--deep', 'wrong']);
    expect(stdout).toMatch(/error +\/bin\/busybox +arm64 +linux\/s390x/);
  });

  it('looks at one platform when told so', async () => {
    const target = cli.scratch.path('one-platform');
    await mutate(layout, MUTATIONS[0]!, target);
    const other = cli.scratch.path('shared'); // a layer of its own for each platform, so that one can be whole
    await mutate(
      layout,
      MUTATIONS.find(({ code }) => code === 'layer-diff-id')!,
      other,
    );
    expect((await verify('--platform', 'linux/arm64', other)).status).toBe(0);
    expect((await verify('--platform', 'linux/amd64', other)).status).toBe(1);
    expect(errorsOf((await verify('--platform', 'linux/riscv64', other)).results)).toEqual([
      'platform-absent',
    ]);
  });
});

/** They were never meant to be validators; the table is for the log. */
describeWith(['root', 'command:skopeo'], 'skopeo', () => {
  it('takes the layout, and most of the mutations as well', async () => {
    const copies = async (directory: string): Promise<boolean> => {
      const target = `dir:${cli.scratch.path('copy')}`;
      const args = ['copy', '--all', '--insecure-policy', `oci:${directory}:latest`, target];
      return runTool('skopeo', args).then(
        () => true,
        () => false,
      );
    };
    expect(await copies(layout)).toBe(true);
    const taken: string[] = [];
    for (const [at, { name }] of MUTATIONS.entries()) {
      if (await copies(cli.scratch.path(`mutated-${String(at)}`))) taken.push(name);
    }
    console.log(`skopeo copies ${taken.join(', ')}`);
    expect(taken).toContain('wrong diff_id');
    expect(taken).not.toContain('flipped byte in the config');
  });
});
