/**
 * The OCI image-spec's schema tests and examples: through its JSON schemas (which shows that we run these rightly),
 * through our parsers, and what our builders write through the schemas.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import * as formats from 'ajv-formats';
import fc from 'fast-check';
import { describe as group, expect, it } from 'vitest';
import { readDescriptor, describe } from '../../src/oci/descriptor.ts';
import { chainIdsOf, digestOf, type Digest, type DiffId } from '../../src/oci/digest.ts';
import { formatImageConfig, parseImageConfig } from '../../src/oci/image-config.ts';
import { parseJson } from '../../src/oci/json.ts';
import { buildIndex, buildManifest, parseIndex, parseManifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { arbitraryAnnotations, arbitraryConfig, arbitraryDescriptor } from '../oci/arbitrary.ts';
import { debianPackage } from './debian-data.ts';
import { goFunction, goRows, goText, type GoValue } from './go-literal.ts';
import { testVectors, type Vector } from './tally.ts';

const folder = join(
  await debianPackage('golang-github-opencontainers-image-spec-dev'),
  'usr/share/gocode/src/github.com/opencontainers/image-spec',
);
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

const kinds = {
  manifest: { schema: 'image-manifest-schema.json', parse: (bytes: Buffer): unknown => parseManifest(bytes) },
  imageIndex: { schema: 'image-index-schema.json', parse: (bytes: Buffer): unknown => parseIndex(bytes) },
  config: { schema: 'config-schema.json', parse: (bytes: Buffer): unknown => parseImageConfig(bytes) },
  descriptor: {
    schema: 'content-descriptor.json',
    parse: (bytes: Buffer): unknown =>
      readDescriptor(parseJson(bytes, 'the descriptor', 1 << 20), 'descriptor'),
  },
} as const;
type Kind = keyof typeof kinds;
const kindNames = Object.keys(kinds) as Kind[];

/** Draft 4 as ajv reads it: ids give way to file names, which is what the references name. */
function withoutIds(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutIds);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, item]) => key !== '$schema' && !(key === 'id' && typeof item === 'string'))
      .map(([key, item]) => [key, withoutIds(item)]),
  );
}

const ajv = new Ajv({ strict: false, unicodeRegExp: false });
formats.default.default(ajv);
for (const name of ['defs.json', 'defs-descriptor.json', ...kindNames.map((kind) => kinds[kind].schema)]) {
  ajv.addSchema(withoutIds(JSON.parse(read(`schema/${name}`))) as object, name);
}
function validator(kind: Kind): ValidateFunction {
  const validate = ajv.getSchema(kinds[kind].schema);
  if (validate === undefined) throw new Error(`no schema for ${kind}`);
  return validate;
}

interface Sample {
  readonly name: string;
  readonly kind: Kind;
  readonly text: string;
  readonly valid: boolean;
  readonly digest?: string;
}

const TABLE = /range \[\]struct \{[^}]*\}(?=\{)/;

function samplesOf(file: string, functionName: string, kind: Kind): Sample[] {
  return goRows(goFunction(read(`schema/${file}`), functionName), TABLE).map((row, position) => ({
    name: `${functionName} ${position}`,
    kind,
    text: goText(row[kind]),
    valid: row['fail'] !== true,
    ...(typeof row['digest'] === 'string' ? { digest: row['digest'] } : {}),
  }));
}

const EXAMPLE_TYPES: Readonly<Record<string, Kind>> = {
  'application/vnd.oci.image.config.v1+json': 'config',
  'application/vnd.oci.descriptor.v1+json': 'descriptor',
  'application/vnd.oci.image.index.v1+json': 'imageIndex',
  'application/vnd.oci.image.manifest.v1+json': 'manifest',
};

function examplesOf(file: string): Sample[] {
  const blocks = [...read(file).matchAll(/^```json,title=[^&\n]*&mediatype=(\S+)\n([^]*?)^```/gm)];
  return blocks.flatMap(([, type, text], position) => {
    const kind = EXAMPLE_TYPES[decodeURIComponent(type!)];
    return kind === undefined
      ? []
      : [{ name: `${file} example ${position}`, kind, text: text!, valid: true }];
  });
}

const samples: Sample[] = [
  ...samplesOf('manifest_test.go', 'TestManifest', 'manifest'),
  ...samplesOf('imageindex_test.go', 'TestImageIndex', 'imageIndex'),
  ...samplesOf('config_test.go', 'TestConfig', 'config'),
  ...samplesOf('descriptor_test.go', 'TestDescriptor', 'descriptor'),
  ...samplesOf('backwards_compatibility_test.go', 'TestBackwardsCompatibilityManifest', 'manifest'),
  ...samplesOf('backwards_compatibility_test.go', 'TestBackwardsCompatibilityImageIndex', 'imageIndex'),
  ...samplesOf('backwards_compatibility_test.go', 'TestBackwardsCompatibilityConfig', 'config'),
  ...['config.md', 'descriptor.md', 'image-index.md', 'image-layout.md', 'manifest.md'].flatMap(examplesOf),
];

function bySchema({ kind, text, valid }: Sample): void {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    expect(valid).toBe(false);
    return;
  }
  const validate = validator(kind);
  expect(validate(document), JSON.stringify(validate.errors)).toBe(valid);
}

function byParser({ kind, text, valid, digest }: Sample): void {
  const bytes = Buffer.from(text);
  const parse = (): unknown => kinds[kind].parse(bytes);
  if (valid) {
    // Whatever the document has, known or not, is in what was parsed.
    expect(withoutNulls(parse())).toEqual(withoutNulls(JSON.parse(text)));
    if (digest !== undefined) expect(digestOf(bytes)).toBe(digest);
  } else expect(parse).toThrow(expect.objectContaining({ code: 'DOCUMENT_INVALID' }));
}

/** Go writes an absent list or map as null; `{}` as the value of a set may be null too. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => (item === null ? [] : [[key, withoutNulls(item)]])),
  );
}

const chainRows = goRows(goFunction(read('identity/chainid_test.go'), 'TestChainID'), TABLE, {
  names: {
    chainDigestAB: digestOf('sha256:a sha256:b'),
    chainDigestABC: digestOf(`${digestOf('sha256:a sha256:b')} sha256:c`),
  },
});
const listOf = (value: GoValue | undefined): string[] => (Array.isArray(value) ? value.map(goText) : []);

const vectors: Vector[] = [
  ...samples.map((sample) => ({ name: `schema: ${sample.name}`, check: () => bySchema(sample) })),
  ...samples.map((sample) => ({ name: `parser: ${sample.name}`, check: () => byParser(sample) })),
  ...chainRows.map((row) => ({
    name: `chain: ${goText(row['Name'])}`,
    check: () => expect(chainIdsOf(listOf(row['Digests']) as DiffId[])).toEqual(listOf(row['Expected'])),
  })),
];

group('documents of the image-spec', () => {
  const UNVERIFIABLE = 'a digest that nobody here can verify is refused at once';
  testVectors('image-spec', vectors, {
    'schema: TestConfig 9': 'their Go validator looks at Env, the schema does not',
    'schema: TestDescriptor 14': 'their Go validator looks at the digits, the schema does not',
    'parser: TestManifest 5':
      'since 1.1.0 a manifest may have no layers; the package has a release candidate',
    'parser: TestConfig 9': 'an Env entry without = is in real images; verify reports it',
    'parser: TestManifest 6': UNVERIFIABLE,
    ...Object.fromEntries(
      [17, 18, 19, 20, 21, 23, 24].map((n) => [`parser: TestDescriptor ${n}`, UNVERIFIABLE]),
    ),
  });
});

group('documents we write', () => {
  const config: Digest = digestOf('config');
  it('have the shape of the schemas', () => {
    fc.assert(
      fc.property(
        fc.array(arbitraryDescriptor, { minLength: 1 }),
        arbitraryAnnotations,
        (descriptors, annotations) => {
          const layers = descriptors.map((descriptor) => ({
            ...descriptor,
            mediaType: MEDIA_TYPES.ociLayer,
          }));
          const manifest = buildManifest({
            config: { ...describe(Buffer.from('{}'), MEDIA_TYPES.ociConfig), digest: config },
            layers,
            annotations,
          });
          const index = buildIndex(descriptors, annotations);
          check('manifest', manifest.bytes);
          check('imageIndex', index.bytes);
        },
      ),
    );
  });

  it('are image configs of the schema', () => {
    fc.assert(fc.property(arbitraryConfig, (image) => check('config', formatImageConfig(image))));
  });

  it('are not whatever the schema lets through', () => {
    expect(validator('manifest')({ schemaVersion: 2, layers: [] })).toBe(false);
    expect(validator('imageIndex')({ schemaVersion: 2 })).toBe(false);
    expect(validator('config')({ os: 'linux' })).toBe(false);
  });

  function check(kind: Kind, bytes: Buffer): void {
    const validate = validator(kind);
    expect(validate(JSON.parse(bytes.toString())), JSON.stringify(validate.errors)).toBe(true);
  }
});
