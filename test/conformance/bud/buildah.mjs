#!/usr/bin/env node
/**
 * Stands in for `buildah` in its own test suite: the command lines of those tests, carried out by arch-build, and
 * answers in buildah's words. Options of buildah's storage and of its sandbox mean nothing to us and are dropped;
 * everything else is passed on, so that what arch-build lacks fails.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from './build.mjs';
import { archBuild, fail, pullFromCache, store } from './program.mjs';
import { renderTemplate } from './go-template.mjs';
import { readOptions } from './options.mjs';

const GLOBALS = {
  value: [
    'root',
    'runroot',
    'storage-driver',
    'storage-opt',
    'registries-conf',
    'registries-conf-dir',
    'short-name-alias-conf',
    'log-level',
    'cgroup-manager',
    'userns-uid-map',
    'userns-gid-map',
  ],
  flag: ['debug'],
};

const COMMANDS = {
  build,
  bud: build,
  images,
  inspect,
  rmi,
  tag,
  push,
  pull,
  from,
  mount,
  umount,
  run,
  rm,
  containers,
  info,
  version,
  login,
  logout,
};

function main() {
  const { options, words } = readOptions(process.argv.slice(2), GLOBALS, { stopAtWord: true });
  store.directory = join(options.root?.[0] ?? '/var/lib/containers', 'arch-build');
  const [command, ...rest] = words;
  if (command === '--version' || command === '-v')
    return void console.log('buildah version 1.39.3 (image-spec 1.1.0, runtime-spec 1.2.0)');
  const action = COMMANDS[command];
  if (action === undefined) fail(`unknown command ${command}`);
  action(rest);
}

/** Every image of the store as buildah lists it: one line per name, the digest for the id. */
function listImages() {
  const rows = allImages();
  // the second name of what is called localhost/NAME (build.mjs)
  const twins = rows.map(({ name, ID }) =>
    name?.startsWith('localhost/') ? `docker.io/library/${name.slice(10)} ${ID}` : '',
  );
  return rows.filter(({ name, ID }) => !twins.includes(`${name} ${ID}`));
}

function allImages() {
  return JSON.parse(archBuild(['images', '--format', 'json']).stdout).map(({ name, digest, platforms }) => {
    const [, repository, tag] = /^(.*):([^:/]*)$/.exec(name ?? '') ?? [undefined, '<none>', '<none>'];
    return {
      ID: digest.slice(7),
      Digest: digest,
      Name: repository,
      Tag: tag,
      name,
      Created: platforms[0]?.created,
      Names: name === null ? [] : [name],
    };
  });
}

function images(args) {
  const { options, words } = readOptions(args, {
    value: ['format', 'filter', 'f'],
    flag: ['a', 'all', 'q', 'quiet', 'n', 'noheading', 'json', 'no-trunc', 'digests', 'history'],
  });
  if (options.filter !== undefined || options.f !== undefined) fail('unknown flag: --filter');
  let rows = listImages();
  if (words.length > 0) rows = rows.filter(({ ID }) => ID === identify(words[0]));
  if (options.json)
    return void console.log(
      JSON.stringify(
        rows.map(({ ID, Names, Digest }) => ({ id: ID, names: Names, digest: Digest })),
        null,
        4,
      ),
    );
  if (options.format !== undefined)
    return void rows.forEach((row) => console.log(renderTemplate(options.format[0], row)));
  const shown = (id) => (options['no-trunc'] ? `sha256:${id}` : id.slice(0, 12));
  if (options.q || options.quiet)
    return void [...new Set(rows.map(({ ID }) => ID))].forEach((id) => console.log(shown(id)));
  if (!options.n && !options.noheading) console.log('REPOSITORY TAG IMAGE ID CREATED SIZE');
  for (const { Name, Tag, ID } of rows) console.log(`${Name} ${Tag} ${shown(ID)}`);
}

/** The digest's digits. */
function identify(image) {
  return JSON.parse(archBuild(['inspect', nameOf(image)]).stdout).digest.slice(7);
}

/** A container's image, a name where one of no registry may be meant, or an id. */
function nameOf(word) {
  const container = readContainer(word);
  if (container !== undefined) return container.image;
  const listed = listImages();
  const id = /^(?:sha256:)?([0-9a-f]{6,64})$/.exec(word)?.[1];
  if (id !== undefined) {
    const found = listed.find(({ ID }) => ID.startsWith(id));
    if (found !== undefined) return `sha256:${found.ID}`;
  }
  const plain = word.replace(/^(?:containers-storage|localhost):?\/?\/?/, '');
  const candidates = [word, `localhost/${plain}`, plain].map((name) =>
    /:[^/]*$/.test(name) ? name : `${name}:latest`,
  );
  return listed.find(({ name }) => candidates.includes(name))?.name ?? word;
}

function inspect(args) {
  const { options, words } = readOptions(args, { value: ['format', 'f', 'type', 't'] });
  const word = words[0] ?? fail('container or image name must be specified');
  const container = readContainer(word);
  if (container?.image === 'scratch') fail('arch-build has no empty containers');
  const document = describeImage(nameOf(word), container === undefined ? undefined : word);
  const format = (options.format ?? options.f)?.[0];
  console.log(format === undefined ? JSON.stringify(document, null, 4) : renderTemplate(format, document));
}

function describeImage(image, container) {
  const { name, digest, platforms } = JSON.parse(archBuild(['inspect', image]).stdout);
  const { manifest, config } = platforms[0];
  const oci = {
    Created: config.created,
    Author: config.author ?? '',
    Architecture: config.architecture,
    Variant: config.variant ?? '',
    OS: config.os,
    Config: { Env: [], Labels: {}, OnBuild: [], User: '', WorkingDir: '', ...config.config },
    RootFS: { DiffIDs: config.rootfs.diff_ids },
    History: (config.history ?? []).map((entry) => ({
      Created: entry.created,
      CreatedBy: entry.created_by ?? '',
      EmptyLayer: entry.empty_layer ?? false,
      Comment: entry.comment ?? '',
    })),
  };
  return {
    Type: 'buildah 0.0.1',
    FromImage: name ?? '',
    FromImageID: digest.slice(7),
    FromImageDigest: digest,
    Config: JSON.stringify(config),
    Manifest: JSON.stringify(manifest),
    Container: container ?? '',
    ImageAnnotations: manifest.annotations ?? {},
    OCIv1: oci,
    Docker: { ...oci, ContainerConfig: oci.Config },
    History: oci.History,
  };
}

function rmi(args) {
  const { options, words } = readOptions(args, { flag: ['a', 'all', 'f', 'force', 'p', 'prune'] });
  const all = options.a || options.all;
  if (options.p || options.prune) return void archBuild(['prune', '-f'], { show: true });
  const names = all ? [...new Set(listImages().map(({ ID }) => `sha256:${ID}`))] : words.map(nameOf);
  for (const name of names) {
    const id = all ? name.slice(7) : identify(name);
    const twins = /^localhost\//.test(name) ? [`docker.io/library/${name.slice(10)}`] : [];
    archBuild([
      'rmi',
      name,
      ...twins.filter((twin) => allImages().some((row) => row.name === twin && row.ID === id)),
    ]);
    console.log(id);
  }
}

function tag(args) {
  archBuild(
    [
      'tag',
      nameOf(args[0]),
      ...args.slice(1).flatMap((name) => (name.includes('/') ? [name] : [name, `localhost/${name}`])),
    ],
    { show: true },
  );
}

const TRANSFER = {
  value: [
    'signature-policy',
    'authfile',
    'creds',
    'cert-dir',
    'format',
    'compression-format',
    'compression-level',
    'digestfile',
    'retry',
    'retry-delay',
    'platform',
  ],
  flag: [
    'tls-verify',
    'q',
    'quiet',
    'force-compression',
    'all',
    'D',
    'disable-compression',
    'rm',
    'remove-signatures',
  ],
};

function push(args) {
  const { words } = readOptions(args, TRANSFER);
  archBuild(['push', nameOf(words[0]), ...words.slice(1).map((name) => name.replace(/^docker:\/\//, ''))], {
    show: true,
  });
}

function pull(args) {
  const { words } = readOptions(args, TRANSFER);
  archBuild(['pull', ...words.map((name) => name.replace(/^docker:\/\//, ''))], { show: true });
  console.log(identify(words[0]));
}

function login() {
  fail('the tests of login want a registry');
}

function logout() {
  fail('the tests of logout want a registry');
}

function info(args) {
  const { options } = readOptions(args, { value: ['format'], flag: ['debug'] });
  const document = {
    host: { OCIRuntime: 'crun', arch: 'amd64', os: 'linux', Distribution: { version: '12' } },
    store: { GraphDriverName: 'overlay' },
  };
  console.log(
    options.format === undefined ? JSON.stringify(document) : renderTemplate(options.format[0], document),
  );
}

function version() {
  archBuild(['--version'], { show: true });
}

/* Working containers: a name and its image; a root directory once it is mounted. */

const containerPath = (name) => join(store.directory, '../containers', `${name}.json`);

function readContainer(name) {
  const path = containerPath(name.replaceAll('/', '_'));
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

function from(args) {
  const { options, words } = readOptions(args, {
    value: [
      'name',
      'signature-policy',
      'authfile',
      'creds',
      'isolation',
      'arch',
      'os',
      'variant',
      'platform',
      'cert-dir',
      'format',
      'cidfile',
    ],
    flag: ['q', 'quiet', 'pull', 'pull-always', 'pull-never', 'tls-verify'],
  });
  const word = words[0] ?? fail('an image name (or "scratch") must be specified');
  if (word !== 'scratch') pullFromCache(word, options['pull-never'] ? 'never' : 'missing');
  const image = word === 'scratch' ? word : nameOf(word);
  if (image !== 'scratch') identify(image);
  const stem = `${basename(image).replace(/[:@].*$/, '')}-working-container`;
  let name = options.name?.[0] ?? stem;
  for (let count = 1; existsSync(containerPath(name)); count++) name = `${stem}-${count}`;
  mkdirSync(join(containerPath(name), '..'), { recursive: true });
  writeFileSync(containerPath(name), JSON.stringify({ image }));
  console.log(name);
}

function containers(args) {
  const { options } = readOptions(args, {
    value: ['format', 'filter'],
    flag: ['q', 'quiet', 'a', 'all', 'noheading', 'n'],
  });
  const quiet = options.q || options.quiet;
  if (!quiet && !options.n && !options.noheading)
    console.log('CONTAINER ID BUILDER IMAGE ID IMAGE NAME CONTAINER NAME');
  for (const name of containerNames())
    console.log(quiet ? name : `${name} * ${readContainer(name).image} ${name}`);
}

function containerNames() {
  const folder = join(store.directory, '../containers');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -5)] : []));
}

function rm(args) {
  const { words } = readOptions(args, { flag: ['a', 'all'] });
  if (words.length === 0) rmSync(join(store.directory, '../containers'), { recursive: true, force: true });
  for (const name of words) {
    if (readContainer(name) === undefined) fail(`container not known: ${name}`);
    rmSync(containerPath(name));
    console.log(name);
  }
}

function mount(args) {
  const { words } = readOptions(args, { flag: ['notruncate'] });
  const name = words[0] ?? fail('arch-build has no working containers to list');
  const container = readContainer(name) ?? fail(`container not known: ${name}`);
  container.root ??= unpack(name, container.image);
  writeFileSync(containerPath(name), JSON.stringify(container));
  console.log(container.root);
}

function unpack(name, image) {
  const folder = join(store.directory, '../containers', `${name}.d`);
  mkdirSync(folder, { recursive: true });
  if (image === 'scratch') return folder;
  archBuild(['save', '-o', join(folder, 'image.tar'), image]);
  tool('skopeo', [
    '--insecure-policy',
    'copy',
    '-q',
    `oci-archive:${folder}/image.tar`,
    `oci:${folder}/layout:image`,
  ]);
  tool('umoci', ['unpack', '--image', `${folder}/layout:image`, `${folder}/bundle`]);
  return join(folder, 'bundle/rootfs');
}

function tool(name, args) {
  const { status, stderr } = spawnSync(name, args, { encoding: 'utf8' });
  if (status !== 0) fail(`${name}: ${stderr}`);
}

function umount(args) {
  const { words } = readOptions(args, { flag: ['a', 'all'] });
  for (const word of words) console.log(word);
}

function run(args) {
  const { options, words } = readOptions(
    args,
    {
      value: [
        'user',
        'u',
        'env',
        'e',
        'volume',
        'v',
        'workingdir',
        'isolation',
        'network',
        'runtime',
        'hostname',
        'security-opt',
        'mount',
        'runtime-flag',
      ],
      flag: ['t', 'tty', 'terminal'],
    },
    { stopAtWord: true },
  );
  const [name, ...rest] = words;
  const { image } = readContainer(name) ?? fail(`container not known: ${name}`);
  const command = rest[0] === '--' ? rest.slice(1) : rest;
  const passed = [
    ...[...(options.user ?? []), ...(options.u ?? [])].flatMap((value) => ['-u', value]),
    ...[...(options.env ?? []), ...(options.e ?? [])].flatMap((value) => ['-e', value]),
    ...[...(options.volume ?? []), ...(options.v ?? [])].flatMap((value) => ['-v', value]),
    ...(options.workingdir ?? []).flatMap((value) => ['-w', value]),
  ];
  archBuild(['run', '--entrypoint', command[0], ...passed, image, ...command.slice(1)], { show: true });
}

main();
