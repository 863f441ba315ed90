import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readTar } from '../../src/layer/tar-reader.ts';
import type { EntryHeader } from '../../src/layer/tar-writer.ts';
import { encodeEntry } from '../../src/layer/tar-writer.ts';
import { limited } from '../support/limits.ts';
import { openScratch } from '../support/scratch.ts';
import {
  collect,
  dirEntry,
  extension,
  fileEntry,
  inChunks,
  octal12,
  padded,
  paxRecords,
  rawHeader,
  readAll,
  tarOf,
} from './tar-fixtures.ts';

const END = Buffer.alloc(1024);
const invalid = expect.objectContaining({ code: 'LAYER_INVALID' }) as Error;
const body = (text: string): Buffer => padded(Buffer.from(text, 'latin1'));
const small = (name: string, text: string): Buffer[] => [
  rawHeader(name, '0', { 124: octal12(text.length) }),
  body(text),
];
const pax = (...records: [string, string][]): Buffer => extension('x', paxRecords(records));

describe('reading one entry', () => {
  it.each<[string, Buffer[], object]>([
    [
      'a plain file',
      small('a', 'hello'),
      { path: 'a', type: 'file', mode: 0o644, size: 5, content: Buffer.from('hello') },
    ],
    [
      'a v7 directory',
      [rawHeader('d/', '\0', { 257: '\0\0\0\0\0\0\0\0' })],
      { path: 'd/', type: 'directory' },
    ],
    ['a contiguous file', [rawHeader('c', '7')], { type: 'file' }],
    ['a fifo', [rawHeader('p', '6')], { type: 'fifo' }],
    [
      'a block device',
      [rawHeader('b', '4', { 329: '0000010\0', 337: '0000003\0' })],
      { type: 'block', device: { major: 8, minor: 3 } },
    ],
    [
      'a header whose link has a size but no body',
      [rawHeader('l', '1', { 124: octal12(77), 157: 't' })],
      { type: 'hardlink', size: 0, linkPath: 't' },
    ],
    ['the prefix of ustar', [rawHeader('f', '0', { 345: 'long/dir' })], { path: 'long/dir/f' }],
    ['no prefix in a GNU header', [rawHeader('f', '0', { 257: 'ustar  \0', 345: '0000' })], { path: 'f' }],
    [
      'the shorter prefix of star',
      [rawHeader('f', '0', { 345: 'dir', 476: '00000000001', 508: 'tar\0' })],
      { path: 'dir/f' },
    ],
    ['a name that fills its field', [rawHeader('n'.repeat(100), '0')], { path: 'n'.repeat(100) }],
    ['a name that is not UTF-8', [rawHeader('\xff\xfe', '0')], { path: '\xff\xfe' }],
    [
      'base-256 owners',
      [rawHeader('f', '0', { 108: Buffer.from('8000000000ffffff', 'hex') })],
      { uid: 0xffffff },
    ],
    [
      'a base-256 time before 1970',
      [rawHeader('f', '0', { 136: Buffer.from('ffffffffffffffffffffffff', 'hex') })],
      { mtimeNs: -1_000_000_000n },
    ],
    ['numbers with blanks around', [rawHeader('f', '0', { 108: '   12  \0' })], { uid: 0o12 }],
    ['an empty number', [rawHeader('f', '0', { 116: '\0\0\0\0\0\0\0\0' })], { gid: 0 }],
    [
      'a GNU long name',
      [extension('L', `${'x/'.repeat(200)}f\0`), ...small('x', 'hi')],
      { path: `${'x/'.repeat(200)}f`, content: Buffer.from('hi') },
    ],
    [
      'a GNU long link',
      [extension('K', `${'y'.repeat(300)}\0`), rawHeader('s', '2', { 157: 'y' })],
      { linkPath: 'y'.repeat(300) },
    ],
    [
      'PAX records',
      [
        pax(['path', 'né\xff'], ['uid', '3000000'], ['gid', '4'], ['mtime', '12.5'], ['linkpath', 'to']),
        rawHeader('f', '2'),
      ],
      { path: 'né\xff', uid: 3_000_000, gid: 4, mtimeNs: 12_500_000_000n, linkPath: 'to' },
    ],
    ['a PAX time before 1970', [pax(['mtime', '-1.25']), rawHeader('f', '0')], { mtimeNs: -1_250_000_000n }],
    [
      'binary xattrs',
      [pax(['SCHILY.xattr.user.a', '\0\x01=\n\xff']), rawHeader('f', '0')],
      { xattrs: new Map([['user.a', Buffer.from('\0\x01=\n\xff', 'latin1')]]) },
    ],
    ['an equals sign in a value', [pax(['path', 'a=b']), rawHeader('f', '0')], { path: 'a=b' }],
    ['PAX above GNU', [extension('L', 'gnu\0'), pax(['path', 'pax']), rawHeader('f', '0')], { path: 'pax' }],
    ['the same size said twice', [pax(['size', '2']), ...small('f', 'hi')], { content: Buffer.from('hi') }],
    ['a global header', [extension('g', paxRecords([['uid', '7']])), rawHeader('f', '0')], { uid: 7 }],
    [
      'a global record taken back by an empty one',
      [
        extension('g', paxRecords([['uid', '7']])),
        pax(['uid', '']),
        rawHeader('f', '0', { 108: '0000005\0' }),
      ],
      { uid: 5 },
    ],
    ['a volume label before it', [rawHeader('label', 'V'), rawHeader('f', '0')], { path: 'f' }],
  ])('understands %s', async (_name, blocks, expected) => {
    const tar = Buffer.concat([...blocks, END]);
    for (const chunk of [1 << 20, 512, 100]) {
      const entries = await readAll(tar, { chunk });
      expect(entries).toHaveLength(1);
      expect(entries[0]).toMatchObject(expected);
    }
  });

  it('sums signed bytes where an old writer did', async () => {
    const block = rawHeader('\xe9', '0');
    const signed = block.reduce(
      (total, byte, at) => total + (at >= 148 && at < 156 ? 32 : (byte << 24) >> 24),
      0,
    );
    block.write(`${signed.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    expect(await readAll(Buffer.concat([block, END]))).toMatchObject([{ path: '\xe9' }]);
  });
});

describe('hostile archives', () => {
  const sparse10 = (map: string): Buffer[] => [
    pax(
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.name', 'f'],
      ['GNU.sparse.realsize', '4096'],
    ),
    rawHeader('f', '0', { 124: octal12(padded(Buffer.from(map)).length) }),
    padded(Buffer.from(map)),
  ];
  it.each<[string, Buffer[]]>([
    ['text', [Buffer.from('this is no archive '.repeat(60))]],
    ['a wrong checksum', [rawHeader('f', '0', { 148: '0000000\0' }), END]],
    ['a number that is not octal', [rawHeader('f', '0', { 124: '0000000008x\0' }), END]],
    ['a negative size', [rawHeader('f', '0', { 124: Buffer.from('ffffffffffffffffffffff00', 'hex') }), END]],
    ['a size of 8 EiB', [rawHeader('f', '0', { 124: Buffer.from('800000008000000000000000', 'hex') }), END]],
    ['a negative owner', [rawHeader('f', '0', { 108: Buffer.from('ffffffffffffffff', 'hex') }), END]],
    ['an unknown type', [rawHeader('f', 'Q'), END]],
    ['a part of a multi-volume archive', [rawHeader('f', 'M'), END]],
    ['half a header', [rawHeader('f', '0').subarray(0, 300)]],
    ['a body that is cut off', [rawHeader('f', '0', { 124: octal12(600) }), Buffer.alloc(512)]],
    ['a large body that is cut off', [rawHeader('f', '0', { 124: octal12(1 << 20) }), Buffer.alloc(300_000)]],
    ['a body without its padding', [rawHeader('f', '0', { 124: octal12(5) }), Buffer.from('hello')]],
    ["a PAX size that is not the header's", [pax(['size', '5']), ...small('f', 'hi'), END]],
    ['a negative PAX size', [pax(['size', '-5']), rawHeader('f', '0'), END]],
    ['a PAX size of 2^63', [pax(['size', '9223372036854775808']), rawHeader('f', '0'), END]],
    ['a PAX owner that is no number', [pax(['uid', '0x10']), rawHeader('f', '0'), END]],
    ['a PAX time that is no number', [pax(['mtime', '1e9']), rawHeader('f', '0'), END]],
    ['a NUL in a PAX path', [pax(['path', 'a\0b']), rawHeader('f', '0'), END]],
    ['a NUL in a PAX link path', [pax(['linkpath', 'a\0b']), rawHeader('f', '2'), END]],
    ['a NUL in a PAX key', [pax(['a\0b', 'c']), rawHeader('f', '0'), END]],
    [
      'a PAX record that is longer than its header',
      [extension('x', '99 path=a\n'), rawHeader('f', '0'), END],
    ],
    ['a PAX record without a newline', [extension('x', '10 path=ab'), rawHeader('f', '0'), END]],
    ['a PAX record of length 0', [extension('x', '0 path=ab\n'), rawHeader('f', '0'), END]],
    ['a PAX record without an equals sign', [extension('x', '8 pathab\n'), rawHeader('f', '0'), END]],
    ['a PAX record without a key', [extension('x', '5 =a\n'), rawHeader('f', '0'), END]],
    ['a PAX header of 2 MiB', [rawHeader('x', 'x', { 124: octal12(2 << 20) }), Buffer.alloc(2 << 20), END]],
    [
      'a GNU long name of 2 MiB',
      [rawHeader('x', 'L', { 124: octal12(2 << 20) }), Buffer.alloc(2 << 20), END],
    ],
    ['an extension header without its entry', [pax(['path', 'a']), END]],
    [
      '100 global PAX records',
      [extension('g', paxRecords(Array.from({ length: 100 }, (_, i) => [`k${i}`, 'v']))), END],
    ],
    [
      'a global PAX record of 100 kB',
      [extension('g', `100008 a=${'v'.repeat(99_998)}\n`), rawHeader('f', '0'), END],
    ],
    ['something after the end', [rawHeader('f', '0'), END, Buffer.from('x')]],
    ['an entry after a zero block', [rawHeader('f', '0'), Buffer.alloc(512), rawHeader('g', '0'), END]],
    [
      'a sparse map in descending order',
      [pax(['GNU.sparse.size', '100'], ['GNU.sparse.map', '50,1,0,1']), ...small('f', 'ab'), END],
    ],
    [
      'a sparse map with overlaps',
      [pax(['GNU.sparse.size', '100'], ['GNU.sparse.map', '0,2,1,2']), ...small('f', 'abcd'), END],
    ],
    [
      'a sparse map beyond the file',
      [pax(['GNU.sparse.size', '3'], ['GNU.sparse.map', '0,4']), ...small('f', 'abcd'), END],
    ],
    [
      'a sparse map for other data',
      [pax(['GNU.sparse.size', '9'], ['GNU.sparse.map', '0,3']), ...small('f', 'abcd'), END],
    ],
    [
      'half a sparse map',
      [pax(['GNU.sparse.size', '9'], ['GNU.sparse.map', '0,3,5']), ...small('f', 'abc'), END],
    ],
    ['a sparse 1.0 map that is no number', [...sparse10('one\n0\n0\n'), END]],
    ['a sparse 1.0 map that never ends', [...sparse10(`${'9'.repeat(600)}\n`), END]],
    ['a sparse 1.0 map with 10^9 parts', [...sparse10('1000000000\n0\n0\n'), END]],
    [
      'a sparse 1.0 map larger than the entry',
      [...sparse10('400\n0\n1\n'), Buffer.from('1\n'.repeat(2048)), END],
    ],
    [
      'a sparse 1.0 file without its map',
      [
        pax(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.realsize', '1']),
        rawHeader('f', '0'),
        END,
      ],
    ],
    [
      'an old GNU sparse map that overlaps',
      [
        rawHeader('f', 'S', {
          124: octal12(4),
          257: 'ustar  \0',
          386: octal12(0) + octal12(3),
          410: octal12(1) + octal12(1),
          483: octal12(9),
        }),
        body('abcd'),
        END,
      ],
    ],
  ])('refuses %s', async (_name, blocks) => {
    const tar = Buffer.concat(blocks);
    for (const chunk of [1 << 20, 333]) await expect(readAll(tar, { chunk })).rejects.toThrow(invalid);
  });

  it('stops at the limit of entries, extension headers included', async () => {
    using _limits = limited({ 'layer-entries': 3 });
    const tar = (count: number): Buffer =>
      Buffer.concat([...Array<Buffer>(count).fill(extension('L', 'a\0')), rawHeader('f', '0'), END]);
    expect(await readAll(tar(2))).toHaveLength(1);
    await expect(readAll(tar(3))).rejects.toThrow(invalid);
  });

  it('stops at the limit of bytes before a sparse file is expanded', async () => {
    const bomb = Buffer.concat([
      pax(['GNU.sparse.size', String(2 ** 50)], ['GNU.sparse.map', '']),
      rawHeader('f', '0'),
      END,
    ]);
    await expect(readAll(bomb)).rejects.toThrow(invalid);
  });

  it('does not gather what an archive of endless entries says', async () => {
    const block = rawHeader('f', '0');
    const endless = async function* (): AsyncGenerator<Buffer> {
      for (;;) yield await Promise.resolve(Buffer.concat(Array<Buffer>(2048).fill(block)));
    };
    const before = process.memoryUsage().heapUsed;
    using _limits = limited({ 'layer-entries': 300_000 });
    let count = 0;
    await expect(async () => {
      for await (const _entry of readTar(endless())) count++;
    }).rejects.toThrow(invalid);
    expect(count).toBe(300_000);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 << 20);
  });

  it('takes an archive without an end mark, as every reader does', async () => {
    expect(await readAll(Buffer.concat(small('f', 'hi')))).toHaveLength(1);
    expect(await readAll(Buffer.alloc(0))).toEqual([]);
    expect(await readAll(Buffer.alloc(10_240))).toEqual([]);
  });

  it('never fails otherwise, whatever the bytes are', async () => {
    const base = tarOf([
      dirEntry('d'),
      fileEntry('d/f', 'x'.repeat(700), { xattrs: new Map([['user.a', Buffer.from('b')]]) }),
    ]);
    const edits = fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(edits, fc.nat(base.length), async (changes, cut) => {
        const bytes = Buffer.from(base);
        for (const [at, byte] of changes) bytes[at] = byte;
        await readAll(bytes.subarray(0, bytes.length - (cut % 2 === 0 ? 0 : cut))).catch((error: unknown) => {
          expect(error).toEqual(invalid);
        });
      }),
      { numRuns: 300 },
    );
  });
});

describe('bodies', () => {
  const large = Buffer.alloc(700_001, 'abcdefg');
  const tar = tarOf([fileEntry('large', large.toString()), fileEntry('small', 'tiny'), fileEntry('empty')]);

  it('has small ones at hand', async () => {
    const sizes = new Map<string, number | undefined>();
    for await (const entry of readTar(inChunks(tar, 4096))) sizes.set(entry.path, entry.content?.length);
    expect(sizes).toEqual(
      new Map([
        ['large', undefined],
        ['small', 4],
        ['empty', 0],
      ]),
    );
  });

  it('skips what is not read, and what is read in part', async () => {
    const seen: string[] = [];
    for await (const entry of readTar(inChunks(tar, 4096))) {
      seen.push(entry.path);
      for await (const chunk of entry.body()) if (chunk.length > 0) break;
    }
    expect(seen).toEqual(['large', 'small', 'empty']);
  });

  it('tells the source when the consumer stops', async () => {
    let ended = false;
    const source = async function* (): AsyncGenerator<Buffer> {
      try {
        yield* inChunks(tar, 4096);
      } finally {
        ended = true;
      }
    };
    for await (const _entry of readTar(source())) break;
    expect(ended).toBe(true);
  });

  it('passes on what the source throws', async () => {
    const source = async function* (): AsyncGenerator<Buffer> {
      yield* inChunks(tar.subarray(0, 8192), 4096);
      throw new RangeError('the source broke');
    };
    await expect(async () => {
      for await (const entry of readTar(source())) await collect(entry.body());
    }).rejects.toThrow('the source broke');
  });
});

const headers = fc.record({
  path: fc.stringMatching(/^[\x01-\x2d\x30-\xff]{1,180}(\/[\x01-\x2d\x30-\xff]{1,90}){0,3}$/),
  type: fc.constantFrom('file', 'symlink', 'hardlink', 'char', 'block', 'fifo'),
  mode: fc.nat(0o7777),
  uid: fc.oneof(fc.nat(70_000), fc.nat(0xfffffffe)),
  gid: fc.oneof(fc.nat(70_000), fc.nat(0xfffffffe)),
  mtime: fc.oneof(fc.nat(2_000_000_000), fc.integer({ min: -(2 ** 40), max: 2 ** 40 })),
  linkPath: fc.stringMatching(/^[\x01-\xff]{1,250}$/),
  device: fc.record({ major: fc.nat(4095), minor: fc.nat(0xfffff) }),
  xattrs: fc.dictionary(fc.stringMatching(/^user\.[a-zé=%\n]{1,9}$/), fc.uint8Array({ maxLength: 40 })),
  content: fc.uint8Array({ maxLength: 1500 }),
});

it('reads back what the writer wrote', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(headers, { maxLength: 5 }),
      fc.integer({ min: 1, max: 3000 }),
      async (entries, chunk) => {
        const written = entries.map(({ xattrs, ...entry }) => {
          const isLink = entry.type === 'symlink' || entry.type === 'hardlink';
          return {
            ...entry,
            content: entry.type === 'file' ? Buffer.from(entry.content) : Buffer.alloc(0),
            linkPath: isLink ? entry.linkPath : '',
            device: entry.type === 'char' || entry.type === 'block' ? entry.device : { major: 0, minor: 0 },
            xattrs: new Map(Object.entries(xattrs).map(([name, value]) => [name, Buffer.from(value)])),
          };
        });
        const found = await readAll(tarOf(written), { chunk });
        expect(found).toEqual(
          written.map(({ mtime, ...entry }) => ({
            ...entry,
            size: entry.content.length,
            mtimeNs: BigInt(mtime) * 1_000_000_000n,
            xattrs: new Map(
              [...entry.xattrs].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
            ),
          })),
        );
      },
    ),
    { numRuns: 150 },
  );
});

describe('what the writer writes', () => {
  const plain: EntryHeader = { path: 'f', type: 'file', mode: 0o644, uid: 0, gid: 0, size: 0, mtime: 1 };
  it.each<[string, Partial<EntryHeader>, number]>([
    ['nothing special', {}, 512],
    ['a path of 100 bytes', { path: 'p'.repeat(100) }, 512],
    ['a path that the prefix takes', { path: `${'d'.repeat(155)}/${'f'.repeat(100)}` }, 512],
    ['a directory that the prefix takes', { path: `${'d'.repeat(100)}/${'f'.repeat(40)}/` }, 512],
    ['the largest owner of ustar', { uid: 2_097_151, gid: 2_097_151 }, 512],
    ['the largest time of ustar', { mtime: 2 ** 33 - 1 }, 512],
    ['the largest size of ustar', { size: 2 ** 33 - 1 }, 512],
    ['a path that no slash divides', { path: 'p'.repeat(101) }, 1536],
    ['a path whose slash is too far', { path: `${'d'.repeat(156)}/f` }, 1536],
    ['a name that is not ASCII', { path: 'é' }, 1536],
    ['a link of 101 bytes', { type: 'symlink', linkPath: 'l'.repeat(101) }, 1536],
    ['an owner beyond ustar', { uid: 2_097_152 }, 1536],
    ['a time before 1970', { mtime: -1 }, 1536],
    ['a time after 2242', { mtime: 2 ** 33 }, 1536],
    ['a size of 8 GiB', { size: 2 ** 33 }, 1536],
    ['xattrs', { xattrs: new Map([['user.a', Buffer.from('b')]]) }, 1536],
  ])('takes the bytes it needs for %s', (_name, change, length) => {
    expect(encodeEntry({ ...plain, ...change })).toHaveLength(length);
  });

  it('does not depend on the order of xattrs', () => {
    const [a, b] = [
      ['user.a', Buffer.from('1')],
      ['user.b', Buffer.from('2')],
    ] as const;
    const encoded = encodeEntry({ ...plain, xattrs: new Map([a, b]) });
    expect(encodeEntry({ ...plain, xattrs: new Map([b, a]) })).toEqual(encoded);
  });
});

/** GNU tar as the writer: every format it has, over the same files. */
describe('archives of GNU tar', () => {
  const LONG = `${'directory-with-a-long-name/'.repeat(6)}${'n'.repeat(120)}`;
  it.each(['v7', 'oldgnu', 'gnu', 'ustar', 'posix'])('are read in the format %s', async (format) => {
    await using scratch = await openScratch('gnu-tar');
    const names =
      format === 'v7'
        ? ['plain', 'näme']
        : format === 'ustar'
          ? ['plain', 'näme', `${'d/'.repeat(60)}f`]
          : ['plain', 'näme', LONG];
    for (const name of names) await scratch.write(`in/${name}`, `content of ${name}`);
    const tar = execFileSync(
      'tar',
      ['--format', format, '--sort=name', '-C', scratch.path('in'), '-cf', '-', '.'],
      { maxBuffer: 1 << 26 },
    );
    const files = (await readAll(tar, { chunk: 1000 })).filter(({ type }) => type === 'file');
    const expected = names.map((name) => [Buffer.from(`./${name}`).toString('latin1'), `content of ${name}`]);
    expect(new Map(files.map(({ path, content }) => [path, content.toString()]))).toEqual(
      new Map(expected as [string, string][]),
    );
  });

  it.each([
    ['gnu', []],
    ['posix', ['--sparse-version=0.0']],
    ['posix', ['--sparse-version=0.1']],
    ['posix', ['--sparse-version=1.0']],
  ])('with sparse files are expanded: %s %s', async (format, options) => {
    await using scratch = await openScratch('sparse');
    const script = `
      cd "$1" && mkdir in && cd in
      truncate -s 3M holes
      for i in $(seq 1 40); do printf 'part %s' $i | dd of=holes bs=1 seek=$((i * 70000)) conv=notrunc status=none; done
      truncate -s 200000 only-a-hole
      printf start > tail-hole && truncate -s 1M tail-hole`;
    execFileSync('sh', ['-ec', script, 'sh', scratch.directory]);
    const args = [
      '--format',
      format,
      '-S',
      ...options,
      '--sort=name',
      '-C',
      scratch.path('in'),
      '-cf',
      '-',
      '.',
    ];
    const tar = execFileSync('tar', args, { maxBuffer: 1 << 26 });
    expect(tar.length).toBeLessThan(1 << 20); // it did write them sparse
    const files = (await readAll(tar, { chunk: 1000 })).filter(({ type }) => type === 'file');
    expect(files.map(({ path }) => path)).toEqual(['./holes', './only-a-hole', './tail-hole']);
    for (const { path, content } of files) {
      expect(content.equals(execFileSync('cat', [scratch.path('in', path)], { maxBuffer: 1 << 26 }))).toBe(
        true,
      );
    }
  });
});
