/** A merged tree as a tar for another host, unpacked by GNU tar. */
import { execFileSync } from 'node:child_process';
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { hostFiles } from '../../src/deploy/host-tree.ts';
import { tarOf } from '../../src/deploy/tree-tar.ts';
import { MergedTree } from '../../src/layer/merged-tree.ts';
import type { TarItem } from '../../src/layer/write-layer.ts';
import { makeNode, S_IFCHR } from '../../src/sys/special-file.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';

const LARGE = Buffer.alloc((1 << 20) + 4321, 'large');

/** Two layers: the upper one deletes a file of the lower one, and has a template. */
async function openTree(): Promise<{ readonly scratch: Scratch; readonly tree: MergedTree }> {
  const scratch = await openScratch('tree');
  await scratch.write('lower/bin/tool', 'tool');
  await scratch.write('lower/etc/gone', 'x');
  await scratch.write('lower/registry/docker/blob', 'x');
  await scratch.write('lower/large', LARGE);
  linkSync(scratch.path('lower/bin/tool'), scratch.path('lower/bin/other'));
  symlinkSync('../bin/tool', scratch.path('lower/etc/link'));
  await scratch.write('upper/etc/config.yml.tmpl', 'host: {{ .HostIP }}\n');
  await scratch.write('upper/etc/config.yml', 'an older one');
  await scratch.write('upper/other/x.tmpl', '{{ .NotOurs }}');
  makeNode(scratch.path('upper/etc/gone'), S_IFCHR);
  return { scratch, tree: new MergedTree([scratch.path('upper'), scratch.path('lower')]) };
}

async function unpack(files: readonly TarItem[], directory: string): Promise<void> {
  mkdirSync(directory);
  const chunks: Buffer[] = [];
  for await (const chunk of tarOf(files)) chunks.push(chunk);
  execFileSync('tar', ['-xpf', '-', '-C', directory], { input: Buffer.concat(chunks) });
}

describeWithRoot('the tree of a host', () => {
  it('is the merged one without the registry, its templates rendered', async () => {
    const { scratch, tree } = await openTree();
    await using _scratch = scratch;
    const out = scratch.path('out');
    await unpack(hostFiles(tree, { environment: { HostIP: '10.0.0.1' } }), out);
    const names = readdirSync(out, { recursive: true, encoding: 'utf8' }).sort();
    expect(names).toEqual([
      ...['bin', 'bin/other', 'bin/tool', 'etc', 'etc/config.yml', 'etc/config.yml.tmpl', 'etc/link'],
      ...['large', 'other', 'other/x.tmpl'],
    ]);
    expect(readFileSync(join(out, 'etc/config.yml'), 'utf8')).toBe('host: 10.0.0.1\n');
    expect(readFileSync(join(out, 'other/x.tmpl'), 'utf8')).toBe('{{ .NotOurs }}');
    expect(readFileSync(join(out, 'large')).equals(LARGE)).toBe(true);
    expect(readlinkSync(join(out, 'etc/link'))).toBe('../bin/tool');
    const [tool, other] = ['bin/tool', 'bin/other'].map((name) => lstatSync(join(out, name)).ino);
    expect(tool).toBe(other);
  });

  it('is refused when a template cannot be rendered, and when a file changes', async () => {
    const { scratch, tree } = await openTree();
    await using _scratch = scratch;
    expect(() => hostFiles(tree, { environment: {} })).toThrow('/etc/config.yml.tmpl needs variables');
    const files = hostFiles(tree, { environment: { HostIP: '' } });
    writeFileSync(scratch.path('lower/large'), 'short now');
    await expect(unpack(files, scratch.path('out'))).rejects.toThrow('changed while it was sent');
  });
});

it('a tar of nothing is a tar', async () => {
  await using scratch = await openScratch('tree');
  await unpack([], scratch.path('out'));
  expect(readdirSync(scratch.path('out'))).toEqual([]);
});
