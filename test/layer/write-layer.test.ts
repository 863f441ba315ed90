import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { applyLayer } from '../../src/layer/apply-layer.ts';
import { hashLayer, readLayer } from '../../src/layer/write-layer.ts';
import { makeNode, setTimes } from '../../src/sys/special-file.ts';
import { writeXattr } from '../../src/sys/xattr.ts';
import { describeWith, describeWithRoot } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import {
  dir,
  file,
  hardLink,
  makeTree,
  OLD,
  opaque,
  symlink,
  whiteout,
  type Item,
} from '../support/tree-spec.ts';
import { collect, fingerprint, inChunks, readAll } from './tar-fixtures.ts';

type Items = Readonly<Record<string, Item>>;

async function entriesOf(items: Items, includeRoot = false): Promise<string[]> {
  await using scratch = await openScratch('write');
  const tar = await collect(readLayer(makeTree(scratch.path('fs'), items), { includeRoot }));
  return (await readAll(tar)).map(
    ({ path, type, linkPath }) => `${type} ${path}${linkPath === '' ? '' : ` -> ${linkPath}`}`,
  );
}

/** Everything a layer can hold, beyond what a table can say. */
function makeEverything(root: string): string {
  makeTree(root, {
    'bin/su': file('setuid', { mode: 0o4755, uid: 1, gid: 2 }),
    'bin/ping': file('capable', { xattrs: { 'user.a': '\0\xff=\n', 'user.empty': '' } }),
    'bin/sh': hardLink('bin/su'),
    'dev/null': { type: 'char', mode: 0o666 },
    'run/pipe': { type: 'fifo', mode: 0o600, uid: 3_000_000 },
    'lib/link': symlink('../bin/su', { uid: 5 }),
    'lib/dangling': symlink('x'.repeat(300)),
    tmp: dir({ mode: 0o1777 }),
    old: file('', { mtimeNs: -5_500_000_000n }),
    late: file('', { mtimeNs: 9_000_000_000_999_999_999n, gid: 4_000_000_000 }),
    almost: file('', { mtimeNs: 1_700_000_000_999_999_999n }),
    [`${'long-directory-name/'.repeat(9)}${'n'.repeat(200)}`]: file('deep'),
    empty: dir({ mode: 0o700 }),
  });
  writeXattr(
    `${root}/bin/ping`,
    'security.capability',
    Buffer.from('0100000200040000000000000000000000000000', 'hex'),
  );
  const raw = Buffer.concat([Buffer.from(`${root}/`), Buffer.from('\xff\x80 :\\\n', 'latin1')]);
  writeFileSync(raw, 'bytes');
  setTimes(raw, 0n);
  makeNode(`${root}/dev/disk`, 0o060640, { major: 259, minor: 70_000 });
  linkSync(`${root}/dev/null`, `${root}/dev/zero`);
  linkSync(`${root}/lib/link`, `${root}/lib/link2`);
  writeFileSync(`${root}/big`, Buffer.alloc(3_500_001, 'arch-build '));
  writeFileSync(`${root}/sparse`, 'x');
  truncateSync(`${root}/sparse`, 2_000_000);
  for (const path of ['big', 'sparse', 'dev/disk', 'dev', 'lib', '.']) setTimes(`${root}/${path}`, OLD);
  return root;
}

describeWithRoot('the order of a layer', () => {
  it.each<[string, Items, string[]]>([
    [
      'is bytewise and by segment',
      { 'a/z': file(), 'a-b': file(), 'a.b': file(), B: file() },
      ['file B', 'directory a/', 'file a/z', 'file a-b', 'file a.b'],
    ],
    [
      'has whiteouts before their siblings',
      { 'd/+': file(), 'd/b': whiteout, 'd/a': file(), 'd/c': whiteout },
      ['directory d/', 'file d/.wh.b', 'file d/.wh.c', 'file d/+', 'file d/a'],
    ],
    [
      'has the opaque mark first',
      { d: opaque(), 'd/a': whiteout, 'd/+': file() },
      ['directory d/', 'file d/.wh..wh..opq', 'file d/.wh.a', 'file d/+'],
    ],
    [
      'knows the rootless mark',
      { d: dir({ xattrs: { 'user.overlay.opaque': 'y' } }) },
      ['directory d/', 'file d/.wh..wh..opq'],
    ],
    [
      'knows the newer whiteouts where the directory says so',
      { d: dir({ xattrs: { 'trusted.overlay.opaque': 'x' } }), 'd/a': { type: 'xwhiteout' }, 'd/b': file() },
      ['directory d/', 'file d/.wh.a', 'file d/b'],
    ],
    [
      'takes whiteout devices with several names for whiteouts',
      { a: whiteout, b: hardLink('a') },
      ['file .wh.a', 'file .wh.b'],
    ],
    [
      'gives hard links to the first name',
      { 'b/f': file('x'), a: hardLink('b/f'), c: hardLink('b/f') },
      ['file a', 'directory b/', 'hardlink b/f -> a', 'hardlink c -> a'],
    ],
    ['has nothing for an empty directory', {}, []],
  ])('%s', async (_name, items, expected) => {
    expect(await entriesOf(items)).toEqual(expected);
  });

  it('has the root when asked', async () => {
    expect(await entriesOf({ a: file() }, true)).toEqual(['directory ./', 'file a']);
  });

  it('leaves out sockets', async () => {
    await using scratch = await openScratch('socket');
    const root = makeTree(scratch.path('fs'), { f: file() });
    const server = createServer().listen(`${root}/socket`);
    await once(server, 'listening');
    expect((await readAll(await collect(readLayer(root)))).map(({ path }) => path)).toEqual(['f']);
    server.close();
  });

  it('has whiteouts that say nothing of this host', async () => {
    await using scratch = await openScratch('write');
    const root = makeTree(scratch.path('fs'), { a: whiteout, d: opaque() });
    chmodSync(`${root}/a`, 0o666);
    const marks = (await readAll(await collect(readLayer(root)))).filter(({ path }) => path.includes('.wh.'));
    for (const mark of marks) expect(mark).toMatchObject({ mode: 0, uid: 0, gid: 0, mtimeNs: 0n, size: 0 });
    expect(marks).toHaveLength(2);
  });
});

describeWithRoot('a layer that cannot be written', () => {
  it.each(['.wh.x', '.wh..wh..opq', 'd/.wh.', 'd/.wh.plnk/f'])('is refused because of %s', async (path) => {
    await expect(entriesOf({ [path]: file() })).rejects.toThrow(
      expect.objectContaining({ code: 'LAYER_INVALID' }) as Error,
    );
  });

  it('is refused when its directory is not there', async () => {
    await expect(hashLayer('/no/such/snapshot')).rejects.toThrow(
      expect.objectContaining({ code: 'IO' }) as Error,
    );
  });

  it('is refused when a file shrinks while it is read', async () => {
    await using scratch = await openScratch('write');
    writeFileSync(scratch.path('f'), Buffer.alloc(6 << 20));
    const shrinking = async (): Promise<void> => {
      for await (const block of readLayer(scratch.directory)) {
        if (block.length === 1 << 20) truncateSync(scratch.path('f'), 4 << 20);
      }
    };
    await expect(shrinking()).rejects.toThrow(expect.objectContaining({ code: 'IO' }) as Error);
  });
});

describeWithRoot('a layer', () => {
  it('is a pure function of the directory', async () => {
    await using scratch = await openScratch('write');
    const one = await hashLayer(makeEverything(scratch.path('one')), { includeRoot: true });
    renameSync(scratch.path('one'), scratch.path('moved'));
    expect(await hashLayer(scratch.path('moved'), { includeRoot: true })).toEqual(one);
    expect(await hashLayer(makeEverything(scratch.path('two')), { includeRoot: true })).toEqual(one);
  });

  it('hashes as its bytes do', async () => {
    await using scratch = await openScratch('write');
    const root = makeEverything(scratch.path('fs'));
    const tar = await collect(readLayer(root));
    expect(await hashLayer(root)).toEqual({
      diffId: `sha256:${createHash('sha256').update(tar).digest('hex')}`,
      size: tar.length,
      entries: (await readAll(tar)).length,
    });
  });

  it('carries attributes that belong into layers only', async () => {
    await using scratch = await openScratch('write');
    const xattrs = {
      'user.k': 'v',
      'trusted.k': 'v',
      'trusted.overlay.origin': 'v',
      'user.overlay.impure': 'y',
      'security.selinux': 'v',
    };
    const root = makeTree(scratch.path('fs'), { f: file('', { xattrs }), d: dir({ xattrs }) });
    const entries = await readAll(await collect(readLayer(root)));
    for (const entry of entries) expect([...entry.xattrs]).toEqual([['user.k', Buffer.from('v')]]);
  });

  it('never leaves the event loop waiting', async () => {
    await using scratch = await openScratch('write');
    const root = scratch.path('fs');
    for (let d = 0; d < 20; d++) {
      mkdirSync(`${root}/${d}`, { recursive: true });
      for (let f = 0; f < 100; f++) writeFileSync(`${root}/${d}/é${f}`, ''); // these go one by one, the next together
      for (let f = 0; f < 20; f++) {
        writeFileSync(`${root}/${d}/${f}`, '');
        truncateSync(`${root}/${d}/${f}`, 256 << 10);
      }
    }
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const start = performance.now();
    await hashLayer(root);
    clearInterval(timer);
    expect(turns).toBeGreaterThan((performance.now() - start) / 100);
  });

  it('stops reading when the consumer does', async () => {
    await using scratch = await openScratch('write');
    writeFileSync(scratch.path('big'), Buffer.alloc(8 << 20));
    const open = (): string => execFileSync('ls', ['-l', `/proc/${process.pid}/fd`]).toString();
    const reading = readLayer(scratch.directory);
    for (const _block of ['the header', 'the beginning']) await reading.next();
    expect(open()).toContain(scratch.path('big'));
    await reading.return(0);
    expect(open()).not.toContain(scratch.path('big'));
  });

  it('is cut into blocks of at most 1 MiB', async () => {
    await using scratch = await openScratch('write');
    writeFileSync(scratch.path('a'), Buffer.alloc(5_000_000));
    for (let n = 0; n < 100; n++) appendFileSync(scratch.path(`b${n}`), 'x'.repeat(n * 700));
    for await (const block of readLayer(scratch.directory)) {
      expect(block.length).toBeGreaterThan(0);
      expect(block.length).toBeLessThanOrEqual(1 << 20);
    }
  });
});

async function roundTrip(scratch: Scratch, root: string): Promise<void> {
  const tar = await collect(readLayer(root, { includeRoot: true }));
  mkdirSync(scratch.path('again'));
  const options = { lowers: [], overlay: 'trusted' } as const;
  const applied = await applyLayer(inChunks(tar, 10_000), scratch.path('again'), options);
  expect(await hashLayer(scratch.path('again'), { includeRoot: true })).toEqual(applied);
}

describeWithRoot('tree to tar to tree to tar', () => {
  it('gives the same bytes for everything', async () => {
    await using scratch = await openScratch('round');
    const root = makeEverything(scratch.path('fs'));
    await roundTrip(scratch, root);
    expect(fingerprint(scratch.path('again'))).toEqual(fingerprint(root));
  });

  const name = fc.stringMatching(/^[A-Za-zé \n:.-]{1,12}$/).filter((text) => !/^\.{1,2}$|^\.wh\./.test(text));
  const common = {
    mode: fc.nat(0o7777),
    uid: fc.nat(5_000_000),
    gid: fc.nat(70_000),
    mtimeNs: fc.bigInt(-(10n ** 10n), 10n ** 19n),
  };
  const item: fc.Arbitrary<Item> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        type: fc.constant('file' as const),
        content: fc.string({ maxLength: 2000 }),
        xattrs: fc.dictionary(fc.constantFrom('user.a', 'user.b=%'), fc.string({ maxLength: 9 })),
        ...common,
      }),
    },
    fc.record({ type: fc.constantFrom('dir' as const, 'fifo' as const, 'char' as const), ...common }),
    fc.record({
      type: fc.constant('dir' as const),
      xattrs: fc.constant({ 'trusted.overlay.opaque': 'y' }),
      ...common,
    }),
    fc.record({ type: fc.constant('symlink' as const), target: fc.stringMatching(/^[a-zé/.]{1,120}$/) }),
    fc.constant(whiteout),
  );
  const paths = fc.dictionary(
    fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
    item,
    { maxKeys: 12 },
  );

  it('gives the same bytes for any tree', async () => {
    await fc.assert(
      fc.asyncProperty(paths, async (items) => {
        const parents = new Set(
          Object.keys(items).flatMap((path) => path.split('/').map((_, n, all) => all.slice(0, n).join('/'))),
        );
        const possible = Object.entries(items).filter(
          ([path, { type }]) => type === 'dir' || !parents.has(path),
        );
        await using scratch = await openScratch('round');
        await roundTrip(scratch, makeTree(scratch.path('fs'), Object.fromEntries(possible)));
      }),
      { numRuns: 60 },
    );
  });
});

describeWith(['root', 'command:tar'], 'GNU tar', () => {
  const options = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '--same-owner', '-p'];

  it('unpacks what we write as it was', async () => {
    await using scratch = await openScratch('gnu');
    const root = makeEverything(scratch.path('fs'));
    mkdirSync(scratch.path('out'));
    const input = await collect(readLayer(root, { includeRoot: true }));
    execFileSync('tar', [...options, '-C', scratch.path('out'), '-xf', '-'], {
      input,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    expect(fingerprint(scratch.path('out'))).toEqual(fingerprint(root));
  });

  it.each(['gnu', 'posix'])('packs in the format %s what we unpack as it was', async (format) => {
    await using scratch = await openScratch('gnu');
    const root = makeEverything(scratch.path('fs'));
    const args = [
      ...(format === 'posix' ? options : ['--numeric-owner']),
      '--format',
      format,
      '-S',
      '-C',
      root,
      '-cf',
      '-',
      '.',
    ];
    const tar = execFileSync('tar', args, { maxBuffer: 1 << 28, stdio: ['pipe', 'pipe', 'pipe'] });
    mkdirSync(scratch.path('out'));
    await applyLayer(inChunks(tar, 4000), scratch.path('out'), { lowers: [], overlay: 'trusted' });
    // GNU tar takes two names of a device for two devices, and only PAX has room for attributes.
    const unsaid = format === 'posix' ? / = dev\/null/ : / = dev\/null| (?:user|security)\..*/;
    const known = (lines: Record<string, string>): string[][] =>
      Object.entries(lines).map(([path, line]) => [path, line.replace(unsaid, '')]);
    expect(known(fingerprint(scratch.path('out')))).toEqual(known(fingerprint(root)));
  });
});
