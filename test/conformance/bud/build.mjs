/** `buildah build`: options of ours, and the progress in buildah's words. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { createInterface } from 'node:readline';
import { environment, fail, PROGRAM, pullFromCache } from './program.mjs';
import { readOptions } from './options.mjs';

/** Passed on as they are. */
const PASSED = [
  'build-arg',
  'label',
  'annotation',
  'target',
  'secret',
  'build-context',
  'cache-from',
  'cache-to',
  'output',
  'o',
  'metadata-file',
  'ssh',
  'build-arg-file',
  'ignorefile',
  'add-host',
  'env',
  'unsetenv',
  'unsetlabel',
  'volume',
  'v',
  'device',
  'cpp-flag',
  'manifest',
  'logfile',
  'layer-label',
  'hooks-dir',
  'cache-ttl',
  'os-version',
  'os-feature',
  'group-add',
  'dns',
  'dns-search',
  'dns-option',
  'cap-add',
  'cap-drop',
  'ulimit',
];

/** About buildah's storage, sandbox or resources. */
const DROPPED = [
  'signature-policy',
  'isolation',
  'format',
  'runtime',
  'runtime-flag',
  'security-opt',
  'jobs',
  'authfile',
  'creds',
  'cert-dir',
  'log-level',
  'memory',
  'm',
  'memory-swap',
  'cpu-shares',
  'cpu-quota',
  'cpu-period',
  'cpuset-cpus',
  'cpuset-mems',
  'shm-size',
  'cgroup-parent',
  'cgroupns',
  'retry',
  'retry-delay',
  'userns',
  'pid',
  'ipc',
  'uts',
  'net',
  'userns-uid-map',
  'userns-gid-map',
  'userns-uid-map-user',
  'userns-gid-map-group',
];

/** Handled below. */
const VALUES = [
  'file',
  'f',
  'tag',
  't',
  'platform',
  'arch',
  'os',
  'variant',
  'network',
  'iidfile',
  'timestamp',
];
const FLAGS = [
  'layers',
  'no-cache',
  'quiet',
  'q',
  'pull',
  'pull-always',
  'pull-never',
  'tls-verify',
  'rm',
  'force-rm',
  'compress',
  'no-hosts',
  'no-hostname',
  'all-platforms',
  'squash',
  'skip-unused-stages',
  'identity-label',
  'omit-history',
  'compat-volumes',
  'log-rusage',
  'logsplit',
];

/** Of these flags only the value that is our behaviour anyway may be given. */
const ALWAYS = {
  'skip-unused-stages': true,
  'identity-label': false,
  'omit-history': false,
  'compat-volumes': false,
  squash: false,
  'all-platforms': false,
  'log-rusage': false,
  logsplit: false,
};

export function build(args) {
  const { options, words } = readOptions(args, { value: [...PASSED, ...DROPPED, ...VALUES], flag: FLAGS });
  if (words.length > 1) fail(`no options (${words[1]}) can be specified after the context`);
  for (const [name, value] of Object.entries(ALWAYS)) {
    if (options[name] !== undefined && options[name] !== value) fail(`unknown flag: --${name}`);
  }
  const context = words[0] === '-' ? emptyDirectory() : (words[0] ?? '.');
  if (words[0] === '-') options.f = ['-'];
  const quiet = options.quiet || options.q;
  const file = [...(options.file ?? []), ...(options.f ?? [])][0];
  const text = textOf(file === undefined ? undefined : findFile(file, context), context);
  const stages = text
    .split('\n')
    .filter((line) => /^\s*FROM\s/i.test(line))
    .map((line) => line.trim());
  const policy = pullPolicy(options);
  pullBases(
    stages,
    [...text.matchAll(/--from=(\S+)|[,=]from=([^,\s]+)/g)].map(([, flag, mount]) => flag ?? mount),
    policy,
  );
  const passed = PASSED.flatMap((name) =>
    (options[name] ?? []).flatMap((value) => [name.length === 1 ? `-${name}` : `--${name}`, value]),
  );
  const files = [...(options.file ?? []), ...(options.f ?? [])].flatMap((file) => [
    '-f',
    findFile(file, context),
  ]);
  const tags = [...(options.tag ?? []), ...(options.t ?? [])];
  run(
    [
      'build',
      ...[
        '--dialect',
        'dockerfile',
        '--progress',
        'json',
        '--pull',
        policy === 'always' ? 'missing' : policy,
      ],
      ...tags.flatMap((tag) => localNames(tag).flatMap((name) => ['-t', name])),
      ...platformOf(options),
      ...(options.network ?? [])
        .filter((mode) => ['none', 'host'].includes(mode))
        .flatMap((mode) => ['--network', mode]),
      ...(options.timestamp ?? []).flatMap((value) => ['--source-date-epoch', value]),
      // without --layers buildah keeps and asks no cache
      ...(options['no-cache'] || !(options.layers ?? process.env.BUILDAH_LAYERS === 'true')
        ? ['--no-cache']
        : []),
      ...files,
      ...passed,
      context,
    ],
    { quiet, isArchive: takesStdout(options), iidfile: options.iidfile?.[0], tags, stages },
  );
}

const takesStdout = ({ o = [], output = [] }) => [...o, ...output].some((dest) => dest === '-');

/** `-` is a Dockerfile without a context. */
function emptyDirectory() {
  return mkdtempSync(join(tmpdir(), 'context-'));
}

/** buildah looks in the context for what is not in the current directory. */
function findFile(file, context) {
  if (file === '-' || file.startsWith('/dev/') || isAbsolute(file) || existsSync(file)) return file;
  return existsSync(join(context, file)) ? join(context, file) : file;
}

/** FROM lines are in no event; what comes by stdin is not looked at. */
function textOf(file, context) {
  const candidates = [
    file,
    ...['Kubefile', 'Dockerfile', 'Containerfile'].map((name) => join(context, name)),
  ];
  const path = candidates.find(
    (candidate) => candidate !== undefined && existsSync(candidate) && statSync(candidate).isFile(),
  );
  return path === undefined || file === '-' ? '' : readFileSync(path, 'utf8');
}

const tagged = (tag) => (/:[^/]*$/.test(tag) ? localNames(tag)[0] : `${localNames(tag)[0]}:latest`);

/** Names of no registry are buildah's own, `localhost/NAME`; FROM looks for them on docker.io, so they are there too. */
const localNames = (tag) => (/^(?:[^/]*[.:][^/]*|localhost)\//.test(tag) ? [tag] : [`localhost/${tag}`, tag]);

function pullPolicy(options) {
  if (options['pull-always']) return 'always';
  return options['pull-never'] || options.pull === false ? 'never' : 'missing';
}

function platformOf({ platform, arch, os, variant }) {
  if (platform !== undefined) return platform.flatMap((value) => ['--platform', value]);
  if (arch === undefined && os === undefined && variant === undefined) return ['--platform', 'linux/amd64'];
  return ['--platform', [os?.[0] ?? 'linux', arch?.[0] ?? 'amd64', variant?.[0]].filter(Boolean).join('/')];
}

/** Loads from the tests' cache what a registry would give: base images that are not there, or all anew. */
function pullBases(stages, copies, policy) {
  for (const word of [
    ...stages.map((line) => line.replace(/^FROM\s+(?:--\S+\s+)*/i, '').split(/\s/)[0]),
    ...copies,
  ]) {
    pullFromCache(word, policy);
  }
}

function run(args, { quiet, isArchive, iidfile, tags, stages }) {
  const speaker = new Speaker(stages);
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: environment(),
    stdio: ['inherit', 'pipe', 'pipe'],
  });
  let digest = '';
  let failed = 125;
  if (isArchive) child.stdout.pipe(process.stdout);
  else child.stdout.on('data', (data) => (digest += data));
  createInterface({ input: child.stderr }).on('line', (line) => {
    const event = parseEvent(line);
    if (event === undefined) {
      const status = /exited with status (\d+)/.exec(line)?.[1];
      if (status !== undefined) failed = Number(status);
      process.stderr.write(`${line}\n${speaker.explain(line)}`);
    } else if (!quiet && !isArchive) speaker.say(event);
  });
  child.on('close', (status) => {
    if (status !== 0) process.exit(status === 1 ? failed : 125);
    if (isArchive) return;
    if (iidfile !== undefined) writeFileSync(iidfile, digest.trim());
    if (!quiet && tags.length > 0) process.stdout.write(`COMMIT ${tags[0]}\n`);
    if (!quiet) for (const tag of tags) process.stdout.write(`Successfully tagged ${tagged(tag)}\n`);
    process.stdout.write(digest.trim().replace(/^sha256:/, ''));
    process.stdout.write('\n');
  });
}

function parseEvent(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** buildah's words for what happens. */
class Speaker {
  #stages;
  #stage;
  #error;

  constructor(stages) {
    this.#stages = [...stages];
  }

  say({ type, step, text, data, stream }) {
    if (type === 'step-output') process[stream].write(data);
    else if (type === 'step-started' || type === 'step-cached')
      this.#step(step, text, type === 'step-cached');
    else if (type === 'warning') process.stderr.write(`${text}\n`);
  }

  #step({ stage, index, total }, text, cached) {
    const number = this.#numberOf(stage);
    const part = this.#stages.length > 1 ? `[${number + 1}/${this.#stages.length}] ` : '';
    if (this.#stage !== stage && this.#stages[number] !== undefined) {
      process.stdout.write(`${part}STEP 1/${total + 1}: ${this.#stages[number]}\n`);
    }
    this.#stage = stage;
    process.stdout.write(`${part}STEP ${index + 1}/${total + 1}: ${text}\n`);
    if (cached) process.stdout.write('--> Using cache\n');
  }

  /** Stages are called by their name where they have one. */
  #numberOf(stage) {
    const named = this.#stages.findIndex((line) => line.toLowerCase().endsWith(` as ${stage.toLowerCase()}`));
    return named < 0 ? Number(stage) : named;
  }

  /** Behind the line of the Kubefile that an error of ours shows: the same in a line of buildah's. */
  explain(line) {
    if (line.startsWith('error[')) this.#error = line;
    const source = /^ +\d+ \| (.*)$/.exec(line)?.[1];
    if (source === undefined || this.#error === undefined) return '';
    const status = /exited with status (\d+)/.exec(this.#error)?.[1];
    const missing = /: not found$/.test(this.#error) ? 'no such file or directory' : this.#error;
    this.#error = undefined;
    return `Error: building at STEP ${JSON.stringify(source)}: ${status === undefined ? missing : `exit status ${status}`}\n`;
  }
}
