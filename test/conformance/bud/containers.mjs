/** `buildah from` and what is done with its containers: run, mount, config, copy, commit, rm. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { archBuild, fail, startArchBuild } from './program.mjs';
import { describe, localNames, nameOf } from './names.mjs';
import { readOptions } from './options.mjs';
import {
  containerNames,
  directoryOf,
  freeName,
  keepForCopy,
  readContainer,
  removeContainer,
  writeContainer,
} from './container-files.mjs';
import { connection, CONNECTION } from './connection.mjs';

export function from(args) {
  const { options, words } = readOptions(args, {
    value: [
      ...['name', 'signature-policy', 'isolation', 'arch', 'os', 'variant', 'platform', 'format', 'cidfile'],
      ...CONNECTION.value,
    ],
    flag: ['q', 'quiet', 'pull', 'pull-always', 'pull-never', ...CONNECTION.flag],
  });
  const word = words[0] ?? fail('an image name (or "scratch") must be specified');
  const platform = options.platform?.[0] ?? (options.arch && `linux/${options.arch[0]}`);
  const image = word === 'scratch' ? word : find(word, options, platform);
  const stem = basename(image.replace(/@.*$/, '').replace(/:[^/]*$/, ''));
  const name =
    options.name?.[0] ?? freeName(image === 'scratch' ? 'working-container' : `${stem}-working-container`);
  // a build of no more than FROM runs what ONBUILD asks for, as buildah does here
  const triggers = image === 'scratch' ? [] : (describe(image).config.config?.OnBuild ?? []);
  writeContainer(name, { image, platform, lines: triggers.map((line) => `# ${line}`) });
  console.log(name);
}

/** The store's image, brought there when it is missing. */
function find(word, options, platform) {
  const { env, words: reach } = connection(options, [word]);
  const known = archBuild(['inspect', nameOf(word)], { tolerated: true }).status === 0;
  const mayPull = !options['pull-never'] && options.pull !== false;
  if ((!known || platform !== undefined) && mayPull)
    archBuild(['pull', '--platform', platform ?? 'linux/amd64', ...reach, word], { env });
  else if (!known) fail(`${word}: image not known`);
  return nameOf(word);
}

const container = (name) => readContainer(name) ?? fail(`container not known: ${name}`);

/** The image a container stands for now. */
export function imageOf(name) {
  const { image, lines, derived } = container(name);
  if (lines.length === 0) return image;
  if (derived?.lines === lines.length) return derived.digest;
  const digest = commitAs(name, []);
  writeContainer(name, { ...container(name), derived: { lines: lines.length, digest } });
  return digest;
}

function commitAs(name, tags, more = []) {
  const { image, lines, platform = 'linux/amd64' } = container(name);
  const file = join(directoryOf(name, '.'), 'Dockerfile');
  writeFileSync(file, [`FROM ${image}`, ...lines, ''].join('\n'));
  const named = tags.flatMap((tag) => ['-t', tag]);
  const options = [
    '--dialect',
    'dockerfile',
    '--platform',
    platform,
    '--pull',
    'never',
    '-q',
    ...named,
    ...more,
  ];
  return archBuild(['build', ...options, '-f', file, directoryOf(name, 'context')]).stdout.trim();
}

export function commit(args) {
  const { words } = readOptions(args, {
    value: ['signature-policy', 'format', 'f'],
    flag: ['q', 'quiet', 'rm'],
  });
  const digest = commitAs(words[0], localNames(words[1] ?? fail('a name is missing')), ['--identity-label']);
  console.log(describe(digest).id);
}

/** Of `config` what a line of a Dockerfile says too. */
const CONFIG = {
  env: (value) => `ENV ${value.replace(/=(.*)$/s, (_, text) => `=${JSON.stringify(text)}`)}`,
  label: (value) => `LABEL ${value.replace(/=(.*)$/s, (_, text) => `=${JSON.stringify(text)}`)}`,
  onbuild: (value) => `ONBUILD ${value}`,
  shell: (value) => `SHELL ${JSON.stringify(value.split(' '))}`,
  user: (value) => `USER ${value}`,
  workingdir: (value) => `WORKDIR ${value}`,
};

export function config(args) {
  const { options, words } = readOptions(args, { value: Object.keys(CONFIG) });
  const added = Object.entries(options).flatMap(([name, values]) => values.map(CONFIG[name]));
  const changed = container(words[0]);
  writeContainer(words[0], { ...changed, lines: [...changed.lines, ...added] });
}

export function copy(args) {
  const { words } = readOptions(args, {});
  const [name, ...paths] = words;
  const changed = container(name);
  const line = keepForCopy(name, paths.slice(0, -1), paths.at(-1));
  writeContainer(name, { ...changed, lines: [...changed.lines, line] });
}

export function run(args) {
  const { options, words } = readOptions(
    args,
    {
      value: [
        ...['user', 'u', 'env', 'e', 'volume', 'v', 'workingdir', 'isolation', 'network', 'net', 'runtime'],
        ...['hostname', 'security-opt', 'mount', 'runtime-flag'],
      ],
      flag: ['t', 'tty', 'terminal'],
    },
    { stopAtWord: true },
  );
  const [name, ...rest] = words;
  const command = rest[0] === '--' ? rest.slice(1) : rest;
  const all = (...names) => names.flatMap((each) => options[each] ?? []);
  const passed = [
    ...all('user', 'u').flatMap((value) => ['-u', value]),
    ...all('env', 'e').flatMap((value) => ['-e', value]),
    ...all('volume', 'v').flatMap((value) => ['-v', value]),
    ...all('workingdir').flatMap((value) => ['-w', value]),
  ];
  const words2 = [
    'run',
    '--pull',
    'never',
    '--entrypoint',
    command[0],
    ...passed,
    imageOf(name),
    ...command.slice(1),
  ];
  const child = startArchBuild(words2, { stdio: 'inherit' });
  child.on('close', (status, signal) => process.exit(status ?? (signal === null ? 1 : 128)));
}

export function mount(args) {
  const { words } = readOptions(args, { flag: ['notruncate'] });
  const name = words[0] ?? fail('arch-build has no working containers to list');
  const { root = unpack(name) } = container(name);
  writeContainer(name, { ...container(name), root });
  console.log(root);
}

/** By skopeo and umoci, which know nothing of arch-build. */
function unpack(name) {
  const folder = directoryOf(name, 'unpacked');
  if (container(name).image === 'scratch') return folder;
  const { platform } = describe(imageOf(name));
  archBuild(['save', '--platform', platform, '-o', join(folder, 'image.tar'), imageOf(name)]);
  const copied = ['copy', '-q', `oci-archive:${folder}/image.tar`, `oci:${folder}/layout:image`];
  tool('skopeo', ['--insecure-policy', ...copied]);
  tool('umoci', ['unpack', '--image', `${folder}/layout:image`, `${folder}/bundle`]);
  return join(folder, 'bundle/rootfs');
}

function tool(name, args) {
  const { status, stderr } = spawnSync(name, args, { encoding: 'utf8' });
  if (status !== 0) fail(`${name}: ${stderr}`);
}

export function umount(args) {
  const { words } = readOptions(args, { flag: ['a', 'all'] });
  for (const word of words) console.log(word);
}

export function rm(args) {
  const { options, words } = readOptions(args, { flag: ['a', 'all'] });
  for (const name of options.a || options.all ? containerNames() : words) {
    container(name);
    removeContainer(name);
    console.log(name);
  }
}

export function containers(args) {
  const { options } = readOptions(args, {
    value: ['format', 'filter'],
    flag: ['q', 'quiet', 'a', 'all', 'noheading', 'n'],
  });
  const quiet = options.q || options.quiet;
  if (!quiet && !options.n && !options.noheading)
    console.log('CONTAINER ID BUILDER IMAGE ID IMAGE NAME CONTAINER NAME');
  for (const name of containerNames())
    console.log(quiet ? name : `${name} * ${container(name).image} ${name}`);
}
