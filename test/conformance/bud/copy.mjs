#!/usr/bin/env node
/** Stands in for the `copy` program of buildah's tests: out of a registry into the store, by way of a directory. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { archBuild, fail, store } from './program.mjs';
import { readOptions } from './options.mjs';

const { options, words } = readOptions(process.argv.slice(2), {
  value: [
    ...[
      'root',
      'runroot',
      'storage-driver',
      'registries-conf',
      'registries-conf-dir',
      'short-name-alias-conf',
    ],
    ...['max-parallel-downloads', 'signature-policy'],
  ],
});
const [source = '', target = ''] = words;
const [, name] = /^docker:\/\/(.*)$/.exec(source) ?? [];
const [, kept] = /^dir:(.*)$/.exec(name === undefined ? source : target) ?? fail(`copy ${source} ${target}`);
const archive = join(kept, 'image.tar');
if (name !== undefined) {
  mkdirSync(kept, { recursive: true });
  store.directory = join(kept, 'store');
  archBuild(['pull', '--platform', 'linux/amd64', name]);
  archBuild(['save', '-o', archive, name]);
} else {
  const [, root] = /^containers-storage:\[vfs@(.*?)\+/.exec(target) ?? [];
  if (!existsSync(archive)) fail(`copy ${source} ${target}`);
  store.directory = join(root ?? options.root[0], 'arch-build');
  archBuild(['load', '-i', archive]);
}
