import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fieldsOf } from '../../src/cli/fields.ts';
import { outputsOf, type OutputSurroundings } from '../../src/cli/outputs.ts';
import { once } from '../../src/transfer/once.ts';
import { openScratch } from '../support/scratch.ts';

const ONE: OutputSurroundings = { tags: [], platformCount: 1, offline: false, sourceDateEpoch: undefined };
const FILE = expect.any(Function) as () => Promise<void>;

describe('--output', () => {
  it.each([
    ['/new/out', { type: 'local', directory: '/new/out', isSplit: undefined }],
    ['type=local,dest=/new/out,platform-split=true', { type: 'local', directory: '/new/out', isSplit: true }],
    ['-', { type: 'tar', dest: '-', deliver: FILE, isSplit: undefined }],
    ['type=tar,dest=/tmp/x.tar', { type: 'tar', dest: '/tmp/x.tar', deliver: FILE, isSplit: undefined }],
    ['type=oci,dest=/tmp/x.tar', { type: 'oci', dest: '/tmp/x.tar', deliver: FILE, names: [] }],
    [
      'type=oci,tar=false,dest=/new/x,name=a',
      { type: 'layout', directory: '/new/x', names: ['docker.io/library/a:latest'] },
    ],
    [
      'type=docker,dest=/tmp/x,name=a:1',
      { type: 'docker', dest: '/tmp/x', deliver: FILE, names: ['docker.io/library/a:1'] },
    ],
    ['type=image,name=a:1', { type: 'image', names: ['docker.io/library/a:1'] }],
    ['type=image,"name=r.test/a:1,r.test/b:2"', { type: 'image', names: ['r.test/a:1', 'r.test/b:2'] }],
    ['type=registry,name=r.test/a:1', { type: 'registry', names: ['r.test/a:1'], byDigest: false }],
    ['type=cacheonly', { type: 'cacheonly' }],
    [
      'type=registry,name=r.test/a:1,oci-mediatypes=false,compression=uncompressed',
      { type: 'registry', names: ['r.test/a:1'], byDigest: false, encoding: { family: 'docker' } },
    ],
    [
      'type=registry,name=r.test/a:1,oci-mediatypes=false,compression=gzip,force-compression=true',
      {
        type: 'registry',
        names: ['r.test/a:1'],
        byDigest: false,
        encoding: { packing: { kind: 'gzip', level: 6 }, family: 'docker' },
      },
    ],
    [
      'type=oci,dest=/tmp/x,compression=gzip',
      {
        type: 'oci',
        dest: '/tmp/x',
        deliver: FILE,
        names: [],
        encoding: { packing: { kind: 'gzip', level: 6 }, plainOnly: true },
      },
    ],
    [
      'type=registry,name=r.test/a:1,compression=zstd,compression-level=9,force-compression=true',
      {
        type: 'registry',
        names: ['r.test/a:1'],
        byDigest: false,
        encoding: { packing: { kind: 'zstd', level: 9 } },
      },
    ],
    [
      'type=oci,dest=/tmp/x,compression=uncompressed,force-compression=1',
      { type: 'oci', dest: '/tmp/x', deliver: FILE, names: [], encoding: { packing: { kind: 'none' } } },
    ],
    [
      'type=oci,dest=/tmp/x,compression=uncompressed',
      { type: 'oci', dest: '/tmp/x', deliver: FILE, names: [] },
    ],
    [
      'type=sealer,dest=/tmp/x,name=a:1,format=v0.8',
      { type: 'sealer', dest: '/tmp/x', deliver: FILE, archive: FILE, names: ['docker.io/library/a:1'] },
    ],
  ])('%s', (word, output) => {
    expect(outputsOf([word], ONE).outputs).toEqual([output]);
  });

  it('with push=true is an image here and there', () => {
    const { outputs } = outputsOf(['type=image,name=r.test/a:1,push=true,push-by-digest=true'], ONE);
    const names = ['r.test/a:1'];
    expect(outputs).toEqual([
      { type: 'image', names },
      { type: 'registry', names, byDigest: true },
    ]);
  });

  it('gives annotations to manifest and index', () => {
    const words = [
      'type=oci,annotation.a=1,annotation-manifest.b=2',
      'type=cacheonly',
      'type=image,annotation-index.c=3',
    ];
    const { annotations, indexAnnotations } = outputsOf(words.slice(2), ONE);
    expect({ annotations, indexAnnotations }).toEqual({ annotations: {}, indexAnnotations: { c: '3' } });
    expect(outputsOf([`${words[0]!},dest=/tmp/x`, words[2]!], ONE).annotations).toEqual({ a: '1', b: '2' });
  });

  it('to standard output is said to be one', () => {
    expect(outputsOf(['-'], ONE).takesStdout).toBe(true);
    expect(outputsOf(['type=oci'], ONE).takesStdout).toBe(true);
    expect(outputsOf(['type=oci,dest=/tmp/x', 'type=cacheonly', '/new'], ONE).takesStdout).toBe(false);
    expect(() => outputsOf(['-', 'type=oci'], ONE)).toThrow('two outputs go to standard output');
  });

  it.each([
    ['type=wrong,dest=hello', 'unknown type "wrong"'],
    ['type=tar,', '"" is no NAME=VALUE'],
    ['type=tar,dest=/a,dest=/b', 'dest is there twice'],
    ['type=tar,dest=', 'names no file'],
    ['type=tar,dest=/nowhere/x.tar', 'there is no directory /nowhere'],
    ['type=tar,dest=/tmp', '/tmp is a directory'],
    ['type=local', 'needs a directory'],
    ['type=local,dest=/etc/passwd', 'not a directory'],
    ['type=oci,tar=maybe', 'neither true nor false'],
    ['type=tar,name=x', 'unknown "name"'],
    ['type=tar,annotation.a=b', 'unknown "annotation.a"'],
    ['type=cacheonly,dest=x', 'unknown "dest"'],
    ['type=registry', 'needs a name'],
    ['type=registry,push=false,name=a', 'pushes'],
    ['type=oci,rewrite-timestamp=true', 'needs a time'],
    ['type=oci,compression=estargz', 'not compressed with "estargz"'],
    ['type=oci,compression-level=3', 'needs compression=gzip or zstd'],
    ['type=oci,compression=gzip,compression-level=x', 'is no number'],
    ['type=oci,compression=gzip,force-compression=x', 'neither true nor false'],
    ['type=image,compression=gzip', 'plain in the store'],
    ['type=image,oci-mediatypes=false', 'have OCI media types'],
    ['type=oci,oci-mediatypes=false', 'have OCI media types'],
    ['type=sealer', 'keeps the name'],
    ['type=sealer,name=a,format=v1', 'unknown format'],
    ['type=sealer,name=a,format=v0.8,compression=gzip', 'nothing packs them'],
  ])('%s is refused', (word, reason) => {
    expect(() => outputsOf([word], ONE)).toThrow(reason);
    expect(() => outputsOf([word], ONE)).toThrow(/^invalid --output/);
  });

  it.each(['type=docker', 'type=tar,platform-split=false'])('%s is refused for several platforms', (word) => {
    expect(() => outputsOf([word], { ...ONE, platformCount: 2 })).toThrow('--output');
    expect(outputsOf([word], ONE).outputs).toHaveLength(1);
  });

  it('does not ask a registry offline', () => {
    const call = (): unknown => outputsOf(['type=registry,name=a'], { ...ONE, offline: true });
    expect(call).toThrow(expect.objectContaining({ code: 'OFFLINE' }) as Error);
  });

  it('writes a file whole or not at all', async () => {
    await using scratch = await openScratch('outputs');
    mkdirSync(scratch.path('d'));
    const path = scratch.path('d/x.tar');
    const [output] = outputsOf([`type=tar,dest=${path}`], ONE).outputs;
    if (output?.type !== 'tar') throw new TypeError('not a tar');
    await expect(
      output.deliver(
        (async function* () {
          yield* once(Buffer.from('half'));
          throw new Error('cut');
        })(),
      ),
    ).rejects.toThrow('cut');
    expect(existsSync(path)).toBe(false);
    await output.deliver(once(Buffer.from('whole')));
    expect(readFileSync(path, 'utf8')).toBe('whole');
  });
});

describe('fields of a word', () => {
  it.each([
    ['a=1,b=2', { a: '1', b: '2' }],
    ['a=,b=x=y', { a: '', b: 'x=y' }],
    ['"a=1,2",b=3', { a: '1,2', b: '3' }],
    ['a="1,2",b=3', { a: '1,2', b: '3' }],
  ])('%s', (word, fields) => {
    expect(Object.fromEntries(fieldsOf('--x', word))).toEqual(fields);
  });

  it.each(['', ',', 'a', '=1', 'a=1,', 'a=1,,b=2', 'a=1,a=2'])('%j has none', (word) => {
    expect(() => fieldsOf('--x', word)).toThrow(/^invalid --x/);
  });
});
