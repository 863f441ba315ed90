/** `buildah images`, `inspect`, `rmi`, `tag`, `manifest inspect`, `prune`: the store in buildah's shapes. */
import { readFileSync } from 'node:fs';
import { connection } from './connection.mjs';
import { archBuild, fail, listAll } from './program.mjs';
import { readContainer } from './container-files.mjs';
import { imageOf } from './containers.mjs';
import { renderTemplate } from './go-template.mjs';
import { forgetSteps, intermediateRows } from './intermediate.mjs';
import { describe, imageRows, localNames, nameOf } from './names.mjs';
import { readOptions } from './options.mjs';

export function images(args) {
  const { options, words } = readOptions(args, {
    value: ['format', 'filter', 'f'],
    flag: ['a', 'all', 'q', 'quiet', 'n', 'noheading', 'json', 'no-trunc', 'digests', 'history'],
  });
  const all = options.a || options.all;
  let rows = [...imageRows(), ...(all ? intermediateRows() : [])];
  if (words.length > 0) rows = rows.filter(({ name }) => name === nameOf(words[0]));
  for (const filter of [...(options.filter ?? []), ...(options.f ?? [])])
    rows = rows.filter(filterOf(filter));
  if (options.json) {
    const documents = rows.map(({ ID, Names, Digest }) => ({ id: ID, names: Names, digest: Digest }));
    return void console.log(JSON.stringify(documents, null, 4));
  }
  if (options.format !== undefined)
    return void rows.forEach((row) => console.log(renderTemplate(options.format[0], row)));
  const shown = (id) => (options['no-trunc'] ? `sha256:${id}` : id.slice(0, 12));
  if (options.q || options.quiet)
    return void [...new Set(rows.map(({ ID }) => ID))].forEach((id) => console.log(shown(id)));
  if (!options.n && !options.noheading) console.log('REPOSITORY TAG IMAGE ID CREATED SIZE');
  for (const { Name, Tag, ID } of rows) console.log(`${Name} ${Tag} ${shown(ID)}`);
}

function filterOf(text) {
  const [, key, value] = /^(\w+)=(.*)$/.exec(text) ?? [];
  if (key === 'label') {
    const [name, wanted] = value.split('=');
    return ({ root }) => {
      const found = describe(root).config.config?.Labels?.[name];
      return wanted === undefined ? found !== undefined : found === wanted;
    };
  }
  if (key === 'dangling') return ({ name }) => (name === null) === (value === 'true');
  return fail(`unknown filter ${text}`);
}

export function inspect(args) {
  const { options, words } = readOptions(args, { value: ['format', 'f', 'type', 't'] });
  const word = words[0] ?? fail('container or image name must be specified');
  const container = readContainer(word);
  if (container?.image === 'scratch') fail('arch-build has no empty containers');
  const document = documentOf(container === undefined ? word : imageOf(word), container && word);
  const format = (options.format ?? options.f)?.[0];
  console.log(format === undefined ? JSON.stringify(document, null, 4) : renderTemplate(format, document));
}

function documentOf(word, container) {
  const { name, id, digest, manifest, config } = describe(word);
  const first = beginOf(manifest);
  const details = {
    Created: config.created,
    Author: config.author ?? '',
    Architecture: config.architecture,
    Variant: config.variant ?? '',
    OS: config.os,
    OSVersion: config['os.version'] ?? '',
    OSFeatures: config['os.features'] ?? [],
    Config: { Env: [], Labels: {}, OnBuild: [], User: '', WorkingDir: '', ...config.config },
    RootFS: { DiffIDs: config.rootfs.diff_ids },
    History: (config.history ?? []).map((entry, index) => ({
      Created: entry.created.replace('T', ' ').replace(/Z$/, ' +0000 UTC'),
      CreatedBy: entry.created_by ?? '',
      EmptyLayer: entry.empty_layer ?? false,
      Comment: index === first?.index ? `FROM ${first.base}` : (entry.comment ?? ''),
    })),
  };
  return {
    Type: 'buildah 0.0.1',
    FromImage: name ?? '',
    FromImageID: id,
    FromImageDigest: digest,
    Config: JSON.stringify(config),
    Manifest: JSON.stringify(manifest),
    Container: container ?? '',
    ImageAnnotations: manifest.annotations ?? {},
    OCIv1: details,
    Docker: { ...details, ContainerConfig: details.Config },
    History: details.History,
  };
}

/** Where in its history an image stands on which base: arch-build says it in an annotation, buildah in a comment there. */
function beginOf({ annotations = {} }) {
  const base = annotations['org.opencontainers.image.base.name'];
  const digest = annotations['org.opencontainers.image.base.digest'];
  if (base === undefined || archBuild(['inspect', base], { tolerated: true }).status !== 0) return undefined;
  const { platforms } = describe(base);
  const found = platforms.find((each) => each.digest === digest) ?? platforms[0];
  return { base, index: found.config.history?.length ?? 0 };
}

export function rmi(args) {
  const { options, words } = readOptions(args, { flag: ['a', 'all', 'f', 'force', 'p', 'prune'] });
  if (options.p || options.prune) return void prune();
  if (options.a || options.all) {
    const all = listAll();
    for (const { name, digest } of all) archBuild(['rmi', name ?? digest], { tolerated: name === null });
    forgetSteps();
    prune();
    for (const { platforms } of all) console.log(platforms[0].config.slice(7));
    return;
  }
  for (const word of words) {
    const name = nameOf(word);
    const { id } = describe(word);
    const twins = name.startsWith('localhost/')
      ? [`docker.io/library/${name.slice(10)}`, `docker.io/${name.slice(10)}`]
      : [];
    const others = listAll().filter((image) => twins.includes(image.name) && holds(image, id));
    archBuild(['rmi', name, ...others.map((image) => image.name)]);
    if (!name.startsWith('sha256:')) console.log(`untagged: ${name}`);
    if (!listAll().some((image) => image.name !== null && holds(image, id))) console.log(id);
  }
}

const holds = ({ platforms }, id) => platforms.some(({ config }) => config === `sha256:${id}`);

export function prune() {
  archBuild(['prune']);
}

export function tag(args) {
  archBuild(['tag', nameOf(args[0]), ...args.slice(1).flatMap(localNames)]);
}

const MANIFEST = {
  value: [
    ...['authfile', 'cert-dir', 'creds', 'signature-policy', 'add-compression', 'compression-format'],
    ...['compression-level', 'os', 'arch', 'variant', 'annotation', 'retry', 'retry-delay'],
  ],
  flag: ['tls-verify', 'all', 'force-compression', 'amend', 'q', 'quiet'],
};

const MANIFEST_COMMANDS = {
  create: ([list, ...images], options) =>
    archBuild([
      'manifest',
      'create',
      ...(options.amend ? ['--amend'] : []),
      localNames(list)[0],
      ...images.map(nameOf),
    ]),
  add: ([list, ...images]) => archBuild(['manifest', 'add', nameOf(list), ...images.map(nameOf)]),
  push: pushManifest,
  inspect: inspectManifest,
};

export function manifest([command, ...args]) {
  const action = MANIFEST_COMMANDS[command] ?? fail(`arch-build has no manifest ${command}`);
  const { options, words } = readOptions(args, MANIFEST);
  action(words, options);
}

function pushManifest([list, target], options) {
  const { env, words } = connection(options, [target]);
  const added = [...(options['add-compression'] ?? []), ...addedByConfiguration(options)];
  const chosen = (options['compression-format'] ?? []).flatMap((kind) => ['--compression', kind]);
  const more = added.flatMap((kind) => ['--add-compression', kind]);
  archBuild(
    ['manifest', 'push', ...words, ...chosen, ...more, nameOf(list), target.replace(/^docker:\/\//, '')],
    { env },
  );
}

/** `add_compression` of containers.conf, which is an option of arch-build only. */
function addedByConfiguration(options) {
  const file = process.env.CONTAINERS_CONF;
  if (file === undefined || options['add-compression'] !== undefined) return [];
  const [, list = ''] = /^add_compression *= *\[(.*)\]$/m.exec(readFileSync(file, 'utf8')) ?? [];
  return [...list.matchAll(/"([^"]+)"/g)].map(([, kind]) => kind);
}

/** An image of one platform counts as a list of one; what the store does not have is a registry's. */
function inspectManifest([word], options) {
  const name = nameOf(word);
  if (archBuild(['inspect', name], { tolerated: true }).status !== 0) return inspectRemote(word, options);
  const manifests = describe(name).platforms.map(({ digest, manifest: { mediaType }, platform }) => {
    const [os, architecture, variant] = platform.split('/');
    return { mediaType, digest, platform: { os, architecture, ...(variant && { variant }) } };
  });
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  console.log(JSON.stringify({ schemaVersion: 2, mediaType, manifests }, null, 4));
}

function inspectRemote(word, options) {
  const { env, words } = connection(options, [word]);
  const { status, stdout } = archBuild(['manifest', 'inspect', ...words, word], { env, tolerated: true });
  if (status !== 0)
    fail(`reading image "docker://${word}": pinging container registry ${word.split('/')[0]}: not there`);
  console.log(stdout.trim());
}
