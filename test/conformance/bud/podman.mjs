#!/usr/bin/env node
/**
 * Stands in front of `podman`, which finds what buildah has built in the storage both share: an image of arch-build's
 * store that a command line names is brought there first.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { imageRows, nameOf } from './names.mjs';
import { readOptions } from './options.mjs';
import { archBuild, store } from './program.mjs';

const args = process.argv.slice(2);
const GLOBALS = ['root', 'runroot', 'storage-driver', 'storage-opt', 'registries-conf', 'cgroup-manager'];
const { options, words } = readOptions(args, { value: GLOBALS }, { stopAtWord: true });
const [command, ...rest] = words;
store.directory = join(options.root[0], 'arch-build');
const podman = (words, input) =>
  spawnSync('podman', words, { stdio: [input === undefined ? 'inherit' : 'pipe', 'pipe', 'inherit'], input });

if (['create', 'run'].includes(command)) {
  const known = imageRows().map(({ name }) => name);
  for (const name of new Set(rest.map(nameOf).filter((word) => known.includes(word)))) {
    const { stdout } = archBuild(['save', '--format', 'docker', '--platform', 'linux/amd64', name], {
      bytes: true,
    });
    podman([...args.slice(0, args.length - words.length), 'load', '--quiet'], stdout);
  }
}
const { status, stdout } = podman(args);
process.stdout.write(stdout);
process.exit(status ?? 125);
