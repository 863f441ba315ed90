/** `--output` of the command line, as docker buildx and buildah have it. */
import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Delivered, Output, SealerArchive } from '../build/output/output.ts';
import { ArchBuildError } from '../errors.ts';
import { packingOf } from '../layer/compress.ts';
import { fullName } from '../oci/reference.ts';
import { writeArchive } from './write-archive.ts';
import { COMPRESSION_KEYS, encodingOf } from './compression-fields.ts';
import { fieldsOf, truthOf } from './fields.ts';

export interface Outputs {
  readonly outputs: readonly Output[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly indexAnnotations: Readonly<Record<string, string>>;
  /** An output goes to standard output: nothing else may. */
  readonly takesStdout: boolean;
}

/** What else of the command line decides what an output may be. */
export interface OutputSurroundings {
  readonly tags: readonly string[];
  readonly platformCount: number;
  readonly offline: boolean;
  readonly sourceDateEpoch: number | undefined;
}

/** Throws USAGE for what cannot be written, before anything is built; OFFLINE for a registry that may not be asked. */
export function outputsOf(words: readonly string[], surroundings: OutputSurroundings): Outputs {
  const read = words.map((word) => readWord(word, surroundings));
  const toStdout = read.filter(({ takesStdout }) => takesStdout);
  if (toStdout.length > 1)
    throw new ArchBuildError('USAGE', 'two outputs go to standard output', {
      hint: 'give one of them a dest=',
    });
  return {
    outputs: read.flatMap(({ outputs }) => outputs),
    annotations: Object.assign({}, ...read.map(({ annotations }) => annotations)) as Outputs['annotations'],
    indexAnnotations: Object.assign(
      {},
      ...read.map(({ indexAnnotations }) => indexAnnotations),
    ) as Outputs['annotations'],
    takesStdout: toStdout.length > 0,
  };
}

/** One word, its fields, and how to say what is wrong with it. */
interface Word extends OutputSurroundings {
  readonly text: string;
  readonly type: string;
  readonly fields: ReadonlyMap<string, string>;
}

interface Type {
  /** Besides the common ones. */
  readonly keys: readonly string[];
  /** An image, which has names, annotations and a compression. */
  readonly isImage: boolean;
  readonly read: (word: Word) => readonly Output[];
}

const TYPES: Readonly<Record<string, Type>> = {
  local: {
    keys: ['platform-split'],
    isImage: false,
    read: (word) => [{ type: 'local', directory: directoryOf(word), isSplit: isSplit(word) }],
  },
  tar: {
    keys: ['platform-split'],
    isImage: false,
    read: (word) => [{ type: 'tar', ...deliveryTo(word), isSplit: isSplit(word) }],
  },
  oci: { keys: ['tar'], isImage: true, read: readOci },
  docker: { keys: [], isImage: true, read: readDocker },
  sealer: { keys: ['format'], isImage: true, read: readSealer },
  image: { keys: ['push', 'push-by-digest', 'store'], isImage: true, read: readImage },
  registry: { keys: ['push', 'push-by-digest'], isImage: true, read: (word) => [registryOf(word)] },
  cacheonly: { keys: [], isImage: false, read: () => [{ type: 'cacheonly' }] },
};

const IMAGE_KEYS = ['name', ...COMPRESSION_KEYS, 'oci-mediatypes', 'rewrite-timestamp'];
const WITHOUT_DEST = ['image', 'registry', 'cacheonly'];

function readWord(text: string, surroundings: OutputSurroundings): Outputs {
  const fields =
    text.startsWith('type=') || text.includes(',') ? fieldsOf('--output', text) : shortForm(text);
  const name = fields.get('type') ?? '';
  const word: Word = { ...surroundings, text, type: name, fields };
  const type = TYPES[name];
  if (type === undefined)
    throw invalid(
      word,
      `unknown type ${JSON.stringify(name)}`,
      `the types are ${Object.keys(TYPES).join(', ')}`,
    );
  refuseUnknown(word, type);
  refuseUnsupported(word);
  return {
    outputs: type.read(word),
    ...annotationsOf(word),
    takesStdout: takesStdout(word),
  };
}

/** `DIRECTORY`, or `-` for a tar on standard output. */
const shortForm = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text === '-'
      ? [['type', 'tar']]
      : [
          ['type', 'local'],
          ['dest', text],
        ],
  );

const ANNOTATION = /^annotation(?<level>-manifest|-index)?\.(?<key>.+)$/;

function refuseUnknown(word: Word, { keys, isImage }: Type): void {
  const dest = WITHOUT_DEST.includes(word.type) ? [] : ['dest'];
  const known = ['type', ...dest, ...keys, ...(isImage ? IMAGE_KEYS : [])];
  const isKnown = (key: string): boolean => known.includes(key) || (isImage && ANNOTATION.test(key));
  const unknown = [...word.fields.keys()].find((key) => !isKnown(key));
  if (unknown === undefined) return;
  const hint = `type=${word.type} takes ${known.slice(1).join(', ')}${isImage ? ', annotation.KEY' : ''}`;
  throw invalid(word, `unknown ${JSON.stringify(unknown)}`, hint);
}

/** What would make another image than the one that is built. */
function refuseUnsupported(word: Word): void {
  const { sourceDateEpoch, type } = word;
  const isPushed = type === 'registry' || (type === 'image' && truth(word, 'push') === true);
  if (truth(word, 'oci-mediatypes') === false && !isPushed)
    throw invalid(
      word,
      'images have OCI media types here',
      'registries get others: type=registry; type=docker is what old dockers load',
    );
  if (truth(word, 'rewrite-timestamp') === true && sourceDateEpoch === undefined)
    throw invalid(word, 'rewrite-timestamp needs a time', 'give it with --source-date-epoch');
}

function annotationsOf({ fields }: Word): Pick<Outputs, 'annotations' | 'indexAnnotations'> {
  const of = (isIndex: boolean): Record<string, string> =>
    Object.fromEntries(
      [...fields].flatMap(([name, value]) => {
        const { level, key } = ANNOTATION.exec(name)?.groups ?? {};
        return key === undefined || (level === '-index') !== isIndex ? [] : [[key, value]];
      }),
    );
  return { annotations: of(false), indexAnnotations: of(true) };
}

function takesStdout({ type, fields }: Word): boolean {
  const isStream =
    ['tar', 'docker', 'sealer'].includes(type) || (type === 'oci' && fields.get('tar') !== 'false');
  return isStream && (fields.get('dest') ?? '-') === '-';
}

function readOci(word: Word): readonly Output[] {
  const names = namesOf(word);
  if (truth(word, 'tar') === false)
    return [{ type: 'layout', directory: directoryOf(word), names, ...packed(word) }];
  return [{ type: 'oci', ...deliveryTo(word), names, ...packed(word) }];
}

function readDocker(word: Word): readonly Output[] {
  const { platformCount } = word;
  if (platformCount > 1)
    throw invalid(
      word,
      `a docker archive holds one platform, not ${platformCount}`,
      'write type=oci, or build one platform',
    );
  return [{ type: 'docker', ...deliveryTo(word), names: namesOf(word), ...packed(word) }];
}

function readSealer(word: Word): readonly Output[] {
  const format = SEALER_FORMATS.find((known) => known === (word.fields.get('format') ?? SEALER_FORMATS[0]));
  if (format === undefined)
    throw invalid(word, 'unknown format', `write format=${SEALER_FORMATS.join(' or ')}`);
  const names = namesOf(word);
  if (names.length === 0 && word.tags.length === 0)
    throw invalid(word, 'sealer keeps the name of an image in its archive', 'give it with name= or -t');
  const packing = packed(word);
  if (format === 'v0.8' && packing.encoding !== undefined)
    throw invalid(word, 'layers are directories in an archive of sealer v0.8: nothing packs them');
  return [{ type: 'sealer', ...deliveryTo(word), names, archive: archiveFor(format), ...packing }];
}

const SEALER_FORMATS = ['v0.11', 'v0.8'] as const;

const archiveFor = (format: (typeof SEALER_FORMATS)[number]): SealerArchive =>
  async function* (set, context) {
    const { SAVE_FORMATS } = await import('../deploy/save-formats.ts'); // most builds have no such output
    yield* SAVE_FORMATS[`sealer-${format}`].write(set, context);
  };

function packed(word: Word): Pick<Extract<Output, { type: 'registry' }>, 'encoding'> {
  const encoding = encodingOf(`--output ${word.text}`, word.fields);
  return encoding === undefined ? {} : { encoding };
}

/** Who knows Docker's media types alone may not know plain layers. Manifests with zstd layers are OCI's all the same. */
function encoded(word: Word): ReturnType<typeof packed> {
  const usual = packed(word);
  if (truth(word, 'oci-mediatypes') !== false) return usual;
  const chosen = word.fields.has('compression') ? usual.encoding : PLAIN_TO_GZIP;
  return { encoding: { ...chosen, family: 'docker' } };
}

const PLAIN_TO_GZIP = { packing: packingOf('gzip'), plainOnly: true };

function readImage(word: Word): readonly Output[] {
  const image: Output = { type: 'image', names: namesOf(word) };
  if (truth(word, 'push') === true) return [image, registryOf(word)];
  if (packed(word).encoding !== undefined)
    throw invalid(word, 'layers are plain in the store', 'they are packed on their way: push=true, type=oci');
  return [image];
}

function registryOf(word: Word): Output {
  const names = namesOf(word);
  if (truth(word, 'push') === false && word.type === 'registry')
    throw invalid(word, 'type=registry pushes', 'write type=image for an image that stays here');
  if (names.length === 0 && word.tags.length === 0)
    throw invalid(word, 'what is pushed needs a name', 'give it with name= or -t');
  if (word.offline)
    throw new ArchBuildError('OFFLINE', `--output ${word.text} asks the network, and --offline forbids it`);
  return { type: 'registry', names, byDigest: truth(word, 'push-by-digest') === true, ...encoded(word) };
}

const namesOf = ({ fields }: Word): string[] =>
  (fields.get('name') ?? '')
    .split(',')
    .filter((name) => name !== '')
    .map(fullName);

function directoryOf(word: Word): string {
  const { fields, type } = word;
  const dest = fields.get('dest') ?? '';
  if (dest === '' || dest === '-')
    throw invalid(word, `type=${type} needs a directory`, 'name it with dest=');
  const path = resolve(dest);
  const existing = statSync(path, { throwIfNoEntry: false });
  if (existing !== undefined && !existing.isDirectory()) throw invalid(word, `${path} is not a directory`);
  return path;
}

/** As far as that can be known before the build. */
function deliveryTo(word: Word): Delivered {
  const dest = word.fields.get('dest') ?? '-';
  if (dest === '') throw invalid(word, 'dest= names no file');
  if (dest === '-' && process.stdout.isTTY)
    throw invalid(word, 'an archive is not for a terminal', 'name a file with dest=, or redirect the output');
  if (dest !== '-') {
    const path = resolve(dest);
    if (existsSync(path) && statSync(path).isDirectory()) throw invalid(word, `${path} is a directory`);
    if (!existsSync(dirname(path))) throw invalid(word, `there is no directory ${dirname(path)}`);
  }
  return { dest: dest === '-' ? dest : resolve(dest), deliver: (data) => writeArchive(data, dest) };
}

function isSplit(word: Word): boolean | undefined {
  const split = truth(word, 'platform-split');
  if (split === false && word.platformCount > 1)
    throw invalid(
      word,
      `${word.platformCount} root file systems in one place`,
      'leave platform-split=false out',
    );
  return split;
}

const truth = ({ text, fields }: Word, name: string): boolean | undefined =>
  truthOf(`--output ${text}`, name, fields.get(name));

const invalid = ({ text }: Pick<Word, 'text'>, what: string, hint?: string): ArchBuildError =>
  new ArchBuildError('USAGE', `invalid --output ${text}: ${what}`, hint === undefined ? {} : { hint });
