#!/usr/bin/env node
/** Stands in for the `copy` program of buildah's tests: from the cache of `_prefetch` into the store. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { archBuild, fail, store } from './program.mjs';
import { readOptions } from './options.mjs';

const { options, words } = readOptions(process.argv.slice(2), {
  value: [
    'root',
    'runroot',
    'storage-driver',
    'registries-conf',
    'registries-conf-dir',
    'short-name-alias-conf',
    'max-parallel-downloads',
    'signature-policy',
  ],
});
const [source = '', target = ''] = words;
const archive = /^dir:(.*)$/.exec(source)?.[1];
if (
  archive === undefined ||
  !target.startsWith('containers-storage:') ||
  !existsSync(join(archive, 'image.tar'))
) {
  fail(`copy ${source} ${target}: only the images of the cache are there`);
}
store.directory = join(options.root[0], 'arch-build');
archBuild(['load', '-i', join(archive, 'image.tar')]);
