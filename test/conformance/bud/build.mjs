/** `buildah build`: its options as ours, and the progress in buildah's words. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { createInterface } from 'node:readline';
import { allPlatforms, stagesOf } from './bases.mjs';
import {
  ALWAYS,
  DROPPED,
  FLAGS,
  PASSED,
  SWITCHES,
  VALUES,
  checkNumbers,
  proxyArguments,
} from './build-options.mjs';
import { connection, CONNECTION } from './connection.mjs';
import { describe, localNames, nameOf, tagged } from './names.mjs';
import { readOptions } from './options.mjs';
import { debug, fail, isDebugging, listAll, startArchBuild } from './program.mjs';
import { Speaker } from './speaker.mjs';

export function build(args) {
  const { options, words } = readOptions(args, {
    value: [...PASSED, ...DROPPED, ...VALUES, ...CONNECTION.value],
    flag: [...FLAGS, ...CONNECTION.flag],
  });
  checkNumbers(options);
  if (words.length > 1) fail(`accepts at most 1 arg(s), received ${words.length}`);
  for (const [name, value] of Object.entries(ALWAYS))
    if (options[name] !== undefined && options[name] !== value)
      fail(`arch-build has no --${name}=${options[name]}`);
  const { context, files } = contextOf(options, words[0]);
  const text = textOf(files, context);
  const stages = stagesOf(text, options);
  const reached = [
    ...stages.map(({ image }) => image),
    ...(options['cache-from'] ?? []),
    ...(options['cache-to'] ?? []),
    ...[...text.matchAll(/\bhttps:\/\/\S+/g)].map(([url]) => url),
  ];
  const { env, words: reach } = connection(options, reached);
  const tags = [...(options.tag ?? []), ...(options.t ?? [])];
  const layers = options.layers ?? process.env.BUILDAH_LAYERS === 'true';
  run(
    [
      ...[
        'build',
        '--dialect',
        'dockerfile',
        '--progress',
        'json',
        '--debug',
        '--pull',
        pullPolicy(options),
        ...reach,
      ],
      ...tags.flatMap((tag) => localNames(tag).flatMap((name) => ['-t', name])),
      ...(options.manifest ?? []).flatMap((list) => ['--manifest', localNames(list)[0]]),
      ...platformOf(options, stages),
      ...networkOf(options),
      ...(options.timestamp ?? []).flatMap((value) => ['--source-date-epoch', value]),
      // buildah builds one stage after the other unless it is told otherwise
      ...['--jobs', options.jobs?.[0].replace(/^0$/, '4') ?? '1'],
      // without --layers buildah keeps and asks no cache
      ...(options['no-cache'] || !layers || asksNoCache(options) ? ['--no-cache'] : []),
      ...switchesOf(options, { isName: isName(stages, options) }),
      ...(process.env.BUILDAH_CPPFLAGS ?? '')
        .split(' ')
        .flatMap((flag) => (flag === '' ? [] : ['--cpp-flag', flag])),
      ...proxyArguments(options),
      ...files.flatMap((file) => ['-f', file]),
      ...PASSED.filter((name) => layers || !name.startsWith('cache-')).flatMap((name) =>
        (options[name] ?? []).flatMap((value) => [flagOf(name), valueOf(name, value)]),
      ),
      context,
    ],
    { env, options, stages, text, layers, files },
  );
}

/** As buildah takes it. */
function asksNoCache({ 'cache-ttl': [ttl] = [] }) {
  if (!/^0(?:ms|s|m|h)?$/.test(ttl ?? '')) return false;
  debug('Setting --no-cache=true');
  return true;
}

/** What is FROM an image and no more is a name of it, not an image that anybody built. */
const isName = (stages, options) =>
  stages.length === 1 &&
  stages[0].steps === 0 &&
  stages[0].image !== 'scratch' &&
  ['label', 'annotation', 'env', 'unsetenv', 'unsetlabel', 'squash'].every((name) => !options[name]);

function switchesOf(options, { isName }) {
  return Object.entries(SWITCHES).flatMap(([name, { ours, otherwise = [], usual }]) =>
    (options[name] ?? (usual && !isName)) ? [ours] : otherwise,
  );
}

const flagOf = (name) => (name.length === 1 ? `-${name}` : `--${name}`);

/** docker://NAME is an image here and there; secrets name what they are. */
function valueOf(name, value) {
  if (name === 'build-context')
    return value.replace(
      /=(?:docker|docker-image):\/\/(.*)$/s,
      (_, image) => `=docker-image://${nameOf(image)}`,
    );
  if (name === 'from') return nameOf(value);
  if (name === 'cache-from') return `type=registry,ref=${value}`;
  if (name === 'cache-to') return `type=registry,ref=${value},mode=max`;
  if (name === 'secret')
    return value.replace(/,type=file\b/, '').replace(/^(.*)\bsrc=([^,]*)(.*),type=env\b/, '$1env=$2$3');
  return value;
}

/** What is not in the current directory is looked for in the context. */
function contextOf(options, word = '.') {
  const named = [...(options.file ?? []), ...(options.f ?? [])];
  const first = join(word, 'Containerfile'); // arch-build would take Dockerfile first
  if (named.length === 0 && existsSync(first) && statSync(first).isFile())
    return { context: word, files: [first] };
  const isFile = existsSync(word) && statSync(word).isFile();
  if (isFile && named.length === 0) return { context: join(word, '..'), files: [word] };
  const files = named.flatMap((list) => list.split(',')).map((file) => findFile(file, word));
  return { context: word, files };
}

function findFile(file, context) {
  if (file === '-' || file.startsWith('/dev/') || isAbsolute(file) || existsSync(file)) return file;
  return existsSync(join(context, file)) ? join(context, file) : file;
}

/** FROM lines are in no event; what comes by stdin is not looked at. */
function textOf(files, context) {
  const candidates =
    files.length > 0 ? files : ['Containerfile', 'Dockerfile'].map((name) => join(context, name));
  const readable = candidates.filter((path) => path !== '-' && existsSync(path) && statSync(path).isFile());
  return (files.length > 0 ? readable : readable.slice(0, 1))
    .map((path) => (path.endsWith('.in') ? preprocessed(path, context) : readFileSync(path, 'utf8')))
    .join('\n');
}

function preprocessed(path, context) {
  const args = ['-E', '-P', '-traditional', '-undef', '-iquote', context, '-'];
  return spawnSync('cpp', args, { input: readFileSync(path), encoding: 'utf8' }).stdout;
}

/** `true` asks registries only for what is missing; `ifnewer` is the closest to a look at what is there. */
function pullPolicy(options) {
  const policy = options.pull === true ? 'missing' : options.pull === false ? 'never' : options.pull;
  if (options['pull-always'] || policy === 'always' || policy === 'ifnewer') return 'always';
  return options['pull-never'] || policy === 'never' ? 'never' : 'missing';
}

function platformOf(options, stages) {
  const { platform, arch, os, variant } = options;
  if (platform !== undefined && [arch, os, variant].some((value) => value !== undefined))
    fail('invalid --platform may not be used with --os, --arch, or --variant');
  if (options['os-version'] !== undefined || options['os-feature'] !== undefined)
    return ['--platform', `linux(${osDetails(options)})/amd64`];
  if (options['all-platforms']) return ['--platform', allPlatforms(stages).join(',')];
  if (platform !== undefined)
    return platform.flatMap((value) => ['--platform', value.split(',').map(complete).join(',')]);
  if (arch === undefined && os === undefined && variant === undefined) return [];
  return ['--platform', [os?.[0] ?? 'linux', arch?.[0] ?? 'amd64', variant?.[0]].filter(Boolean).join('/')];
}

/** A version and features are part of a platform's name; `feature-` takes one away. */
function osDetails(options) {
  const features = new Set();
  for (const name of options['os-feature'] ?? [])
    if (name.endsWith('-')) features.delete(name.slice(0, -1));
    else features.add(name);
  return [options['os-version']?.[0] ?? '', ...features].join('+');
}

/** Parts that are missing are the host's. */
function complete(value) {
  if (!value.includes('/')) return `linux/${value}`;
  const [os, architecture, ...variant] = value.split('/');
  return [os || 'linux', architecture || 'amd64', ...variant].join('/');
}

/** Networks of buildah that have a name are none of ours; a network of its own is one without the host's. */
function networkOf({ network = [], net = [] }) {
  const modes = { none: 'none', host: 'host', private: 'none', container: 'none', default: 'default' };
  const chosen = [...network, ...net].map((mode) => modes[mode] ?? mode);
  // without a network buildah shows steps no file about it
  const hidden = chosen.includes('none') ? ['--no-hosts'] : [];
  return [...chosen.flatMap((mode) => ['--network', mode]), ...hidden];
}

function run(args, { env, options, stages, text, layers, files }) {
  sayRetries(options);
  const known = isDebugging() ? new Set(configsOf(listAll())) : undefined;
  const speaker = new Speaker({ stages, text, options, layers, files });
  const stdin = options.stdin || args.includes('-') ? 'inherit' : 'ignore';
  const child = startArchBuild(args, { env, stdio: [stdin, 'pipe', 'pipe'] });
  const output = [];
  child.stdout.on('data', (data) => output.push(data));
  createInterface({ input: child.stderr }).on('line', (line) => speaker.hear(line));
  child.on('close', (status, signal) => {
    if (status !== 0) process.exit(speaker.fail(status, signal));
    const raw = Buffer.concat(output);
    if ([...(options.output ?? []), ...(options.o ?? [])].includes('-')) process.stdout.write(raw);
    else finish(raw.toString().trim(), { options, speaker, known });
  });
}

const configsOf = (images) => images.flatMap(({ platforms }) => platforms.map(({ config }) => config));

/** What arch-build was told. */
function sayRetries({ retry: [count] = [], 'retry-delay': [delay] = [] }) {
  if (count !== undefined) debug(`Setting MaxPullPushRetries to ${count} and PullPushRetryDelay to ${delay}`);
}

/** `known`: what the store had before. */
function finish(digest, { options, speaker, known }) {
  if (known !== undefined)
    for (const id of new Set(configsOf(listAll()).filter((config) => !known.has(config))))
      debug(`created new image ID ${JSON.stringify(id.slice(7))}`);
  const built = describe(digest);
  const names = [...(options.tag ?? []), ...(options.t ?? [])];
  if (options.iidfile !== undefined) writeFileSync(options.iidfile[0], `sha256:${built.id}`);
  speaker.finish(built.platforms, names[0]);
  if (!(options.quiet || options.q)) {
    console.log(`--> ${built.id.slice(0, 12)}`);
    for (const name of names) console.log(`Successfully tagged ${tagged(name)}`);
  }
  console.log(built.id);
}
