/**
 * Image names as buildah has them. What has no registry is `localhost/NAME` when it is made here and one of docker.io
 * when it is pulled; arch-build knows the latter only, so that an image made here has both names.
 */
import { archBuild, listAll, VERSION } from './program.mjs';
import { readContainer } from './container-files.mjs';

const hasRegistry = (name) => /^(?:[^/]*[.:][^/]*|localhost)\//.test(name);

/** What a tag means to arch-build. */
export const localNames = (tag) => (hasRegistry(tag) ? [tag] : [`localhost/${tag}`, tag]);

export const tagged = (tag) => {
  const name = localNames(tag)[0];
  return /:[^/]*$/.test(name) ? name : `${name}:latest`;
};

/** The platform buildah would have: the host's, else the first. */
const preferred = (platforms) => platforms.find(({ platform }) => platform === 'linux/amd64') ?? platforms[0];

/**
 * One row per name and image as buildah stores them: by the digest of the configuration, every platform for itself,
 * and a list of several platforms as an image of its own. Twins, the second names of images made here, are left out.
 */
export function imageRows() {
  const all = listAll().flatMap(({ name, digest, platforms }) => {
    const chosen = preferred(platforms) ?? { config: digest, digest, created: 0, size: 0 }; // an empty list
    const listed = platforms.length > 1;
    const [, repository, tag] = /^(.*):([^:/]*)$/.exec(name ?? '') ?? [undefined, '<none>', '<none>'];
    const row = { Name: repository, Tag: tag, name, Names: name === null ? [] : [name], root: digest };
    const common = ({ config, digest: manifest, created, size, platform }) => ({
      ID: (listed && name !== null ? digest : config).slice(7),
      Digest: listed && name !== null ? digest : manifest,
      Created: Math.trunc(Date.parse(created) / 1000),
      Size: size,
      platform,
    });
    return [{ ...row, ...common(chosen), ids: platforms.map(({ config }) => config.slice(7)) }];
  });
  const twins = all.flatMap(({ name, ID }) =>
    name?.startsWith('localhost/')
      ? [`docker.io/library/${name.slice(10)} ${ID}`, `docker.io/${name.slice(10)} ${ID}`]
      : [],
  );
  return all.filter(({ name, ID }) => !twins.includes(`${name} ${ID}`));
}

/** A container's image, a name where one of no registry may be meant, or the digest of what an id means. */
export function nameOf(word) {
  const container = readContainer(word);
  if (container !== undefined) return container.image;
  const rows = imageRows();
  const id = /^(?:sha256:)?([0-9a-f]{6,64})$/.exec(word)?.[1];
  const row = id === undefined ? undefined : rows.find((each) => isId(each, id));
  if (row !== undefined) return row.name ?? row.root;
  const plain = word.replace(/^(?:containers-storage|localhost):?\/?\/?/, '');
  const candidates = [word, `localhost/${plain}`, plain, `docker.io/${plain}`, `docker.io/library/${plain}`];
  const names = candidates.map((name) => (/:[^/]*$/.test(name) ? name : `${name}:latest`));
  return names.find((name) => rows.some((each) => each.name === name)) ?? word;
}

const isId = ({ ID, root, ids }, id) =>
  ID.startsWith(id) || root.slice(7).startsWith(id) || ids.some((each) => each.startsWith(id));

/** The platform of an image that buildah would show, and what it is called and stored by. */
export function describe(word) {
  const { name, digest, platforms } = JSON.parse(
    archBuild(['inspect', nameOf(word)], { explain: () => `Error: ${word}: image not known\n` }).stdout,
  );
  const id = /^(?:sha256:)?([0-9a-f]{6,64})$/.exec(word)?.[1];
  const meant = platforms.find(
    ({ manifest }) => id !== undefined && manifest.config.digest.slice(7).startsWith(id),
  );
  const chosen = meant ?? preferred(platforms);
  const { config, manifest } = chosen;
  return {
    name,
    root: digest,
    platforms,
    ...chosen,
    config: withIdentity(config),
    id: manifest.config.digest.slice(7),
  };
}

/** What says which program built an image, in its name for that and with the version it says it has. */
function withIdentity(config) {
  const { 'io.arch-build.version': version, ...labels } = config.config?.Labels ?? {};
  if (version === undefined) return config;
  return { ...config, config: { ...config.config, Labels: { ...labels, 'io.buildah.version': VERSION } } };
}
