/** Programs for another machine are found wherever they hide. */
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { auditImage } from '../../src/cluster/audit/audit-image.ts';
import { MergedTree } from '../../src/layer/merged-tree.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { elfProgram } from '../support/elf.ts';
import { openScratch } from '../support/scratch.ts';
import { layerTar } from '../transfer/memory-content.ts';

const AMD64 = elfProgram(62);
const RISCV64 = elfProgram(0x6d);

it('in files, archives, archives in archives, configs and layers of a registry', async () => {
  await using scratch = await openScratch('audit');
  const inner = layerTar({ 'usr/bin/tool': AMD64, 'usr/bin/own': RISCV64 }).toString('latin1');
  const config = '{"architecture":"amd64","os":"linux","rootfs":{}}';
  const files: Readonly<Record<string, string | Buffer>> = {
    'root/bin/kubelet': AMD64,
    'root/bin/own': RISCV64,
    'root/bin/script': '#!/bin/sh\n'.padEnd(100),
    'root/opt/archive.tar': layerTar({ x: AMD64 }),
    'root/cri/docker.tar.gz': gzipSync(layerTar({ 'docker/dockerd': AMD64, 'docker/own': RISCV64 })),
    'root/images/registry.tar': layerTar({ 'a/layer.tar': inner, 'config.json': config }),
    'root/images/broken.tar.gz': 'no archive'.padEnd(600),
    'root/registry/docker/registry/v2/blobs/sha256/ab/abc/data': gzipSync(layerTar({ 'bin/sh': AMD64 })),
  };
  for (const [path, content] of Object.entries(files)) await scratch.write(path, content);
  const audit = async (allowed: readonly string[]): Promise<string[]> => {
    const tree = new MergedTree([scratch.path('root')], { plain: true });
    const isAllowed = (path: string): boolean => allowed.some((prefix) => path.startsWith(prefix));
    const options = { isAllowed, signal: new AbortController().signal };
    const found = await auditImage(tree, parsePlatform('linux/riscv64'), options);
    return found.map(({ path, machine }) => `${path} ${machine}`);
  };
  expect(await audit([])).toEqual([
    '/bin/kubelet amd64',
    '/cri/docker.tar.gz!docker/dockerd amd64',
    '/images/registry.tar!a/layer.tar!usr/bin/tool amd64',
    '/images/registry.tar!config.json linux/amd64',
    '/registry/docker/registry/v2/blobs/sha256/ab/abc/data!bin/sh amd64',
  ]);
  expect(await audit(['/images/', '/registry/', '/cri/'])).toEqual(['/bin/kubelet amd64']);
});
