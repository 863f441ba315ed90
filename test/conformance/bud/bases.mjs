/** What a Dockerfile is from, read as far as the words of buildah and its --all-platforms need it. */
import { spawnSync } from 'node:child_process';
import { fail } from './program.mjs';

/** The stages: their line, and the image they are from where it is none of the stages. */
export function stagesOf(text, options) {
  const given = Object.fromEntries((options['build-arg'] ?? []).map((word) => word.split(/=(.*)/s)));
  const contexts = Object.fromEntries((options['build-context'] ?? []).map((word) => word.split(/=(.*)/s)));
  const variables = {};
  const stages = [];
  for (const line of text.split('\n')) {
    const [, name, value] = /^\s*ARG\s+(\w+)(?:=(.*))?$/i.exec(line) ?? [];
    if (name !== undefined && stages.length === 0)
      variables[name] = given[name] ?? process.env[name] ?? (value ?? '').replace(/^"|"$/g, '');
    const [, flags, word, alias] = /^\s*FROM\s+((?:--\S+\s+)*)(\S+)(?:\s+as\s+(\S+))?/i.exec(line) ?? [];
    if (word === undefined && /^\s*[a-z]/i.test(line) && stages.length > 0) stages.at(-1).steps++;
    if (word === undefined) continue;
    const image = word.replace(/\$\{?(\w+)\}?/g, (_, variable) => variables[variable] ?? '');
    const replaced = stages.length === 0 && options.from ? options.from[0] : image;
    const base = contexts[replaced]?.replace(/^docker(?:-image)?:\/\//, '') ?? replaced;
    const shown = ['FROM', flags.trim(), base, alias && `AS ${alias}`].filter(Boolean).join(' ');
    stages.push({ line: shown, image: base, name: alias ?? String(stages.length), steps: 0 });
  }
  const target = stages.findIndex(({ name }) => name === options.target?.[0]);
  if (target >= 0) stages.splice(target + 1);
  for (const stage of stages) stage.used = isUsed(stage, text);
  return stages;
}

/** Named by another stage. */
const isUsed = ({ name }, text) =>
  new RegExp(`^\\s*FROM\\s+(?:--\\S+\\s+)*${name}\\b|\\bfrom=${name}\\b`, 'im').test(text);

/** The platforms that every base has, as its registry says. */
export function allPlatforms(stages) {
  const names = stages.map(({ name }) => name);
  const bases = stages
    .map(({ image }) => image)
    .filter((image) => image !== 'scratch' && !names.includes(image));
  const lists = bases.map(platformsOf);
  return lists.reduce((all, list) => all.filter((platform) => list.includes(platform)));
}

function platformsOf(image) {
  const full = image.includes('/') ? image : `docker.io/library/${image}`;
  const { status, stdout, stderr } = spawnSync('skopeo', ['inspect', '--raw', `docker://${full}`], {
    encoding: 'utf8',
  });
  if (status !== 0) fail(stderr);
  return (JSON.parse(stdout).manifests ?? []).map(({ platform: { os, architecture, variant } }) =>
    [os, architecture, variant].filter(Boolean).join('/'),
  );
}
