#!/usr/bin/env node
/**
 * Stands in for `buildah` in its own test suite: the command lines of those tests, carried out by arch-build, and
 * answers in buildah's words. It translates names, options, formats and wording, nothing else: options that change
 * what is built are passed on, so that what arch-build lacks fails.
 */
import { join } from 'node:path';
import { build } from './build.mjs';
import { commit, config, containers, copy, from, mount, rm, run, umount } from './containers.mjs';
import { renderTemplate } from './go-template.mjs';
import { images, inspect, manifest, prune, rmi, tag } from './images.mjs';
import { readOptions } from './options.mjs';
import { archBuild, fail, log, store, VERSION } from './program.mjs';
import { login, logout, passwd, pull, push } from './transfer.mjs';

const GLOBALS = {
  value: [
    ...['root', 'runroot', 'storage-driver', 'storage-opt', 'registries-conf', 'registries-conf-dir'],
    ...['short-name-alias-conf', 'log-level', 'cgroup-manager', 'userns-uid-map', 'userns-gid-map'],
    'signature-policy',
  ],
  flag: ['debug'],
};

const COMMANDS = {
  ...{ build, bud: build, images, inspect, rmi, tag, manifest, prune, push, pull, login, logout, passwd },
  ...{ from, mount, umount, run, rm, containers, config, copy, commit, info, version },
};

function main() {
  const { options, words } = readOptions(process.argv.slice(2), GLOBALS, { stopAtWord: true });
  store.directory = join(options.root?.[0] ?? '/var/lib/containers', 'arch-build');
  log.level = options['log-level']?.[0] ?? log.level;
  const [command, ...rest] = words;
  if (command === '--version' || command === '-v')
    return void console.log(`buildah version ${VERSION} (image-spec 1.1.0, runtime-spec 1.2.0)`);
  const action = COMMANDS[command];
  if (action === undefined) fail(`unknown command ${command}`);
  action(rest);
}

function info(args) {
  const { options } = readOptions(args, { value: ['format'], flag: ['debug'] });
  const document = {
    host: { OCIRuntime: 'crun', arch: 'amd64', os: 'linux', variant: '', Distribution: { version: '12' } },
    store: { GraphDriverName: 'overlay' },
  };
  console.log(
    options.format === undefined ? JSON.stringify(document) : renderTemplate(options.format[0], document),
  );
}

function version() {
  archBuild(['--version'], { show: true });
}

main();
