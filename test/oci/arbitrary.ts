/** Random platforms, references, descriptors and image configs, as wild as the product accepts them. */
import fc from 'fast-check';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import type { Digest, DiffId } from '../../src/oci/digest.ts';
import type { ImageConfig } from '../../src/oci/image-config.ts';
import type { Platform } from '../../src/oci/platform.ts';
import type { Reference } from '../../src/oci/reference.ts';

const word = (pattern: RegExp): fc.Arbitrary<string> => fc.stringMatching(pattern);

/** An object with any subset of the fields that are not required; a field that is there is not undefined. */
const record = <T extends object>(
  model: { [P in keyof T]-?: fc.Arbitrary<NonNullable<T[P]>> },
  requiredKeys: (keyof T & string)[],
): fc.Arbitrary<T> =>
  fc.record(model, {
    requiredKeys,
    noNullPrototype: true,
  }) as fc.Arbitrary<unknown> as fc.Arbitrary<T>;

export const arbitraryPlatform: fc.Arbitrary<Platform> = record<Platform>(
  {
    os: fc.oneof(fc.constantFrom('linux', 'windows', 'macOS'), word(/^[A-Za-z0-9_-]{1,8}$/)),
    architecture: fc.oneof(
      fc.constantFrom(
        'amd64',
        'x86_64',
        'arm64',
        'aarch64',
        'arm',
        'armhf',
        'armel',
        'i686',
        's390x',
        'ppc64el',
      ),
      word(/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,7}$/),
    ),
    variant: fc.oneof(
      fc.constantFrom('v1', 'v7', '7', 'v8', '8', 'v9'),
      word(/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,7}$/),
    ),
    'os.version': word(/^[A-Za-z0-9_.-]{1,8}$/),
    'os.features': fc.array(word(/^[A-Za-z0-9_.-]{1,8}$/), { minLength: 1, maxLength: 3 }),
  },
  ['os', 'architecture'],
);

const hex = (length: number): fc.Arbitrary<string> => word(new RegExp(`^[0-9a-f]{${length}}$`));
const arbitraryDigest: fc.Arbitrary<Digest> = fc
  .oneof(
    hex(64).map((digits) => `sha256:${digits}`),
    hex(128).map((digits) => `sha512:${digits}`),
  )
  .map((text) => text as Digest);

const pathComponent = word(/^[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}$/);
export const arbitraryReference: fc.Arbitrary<Reference> = fc
  .record({
    domain: fc.oneof(
      fc.constantFrom('docker.io', 'localhost', 'example.com', '[2001:db8::1]:5000', '127.0.0.1:5000'),
      word(/^[a-zA-Z0-9]([a-zA-Z0-9-]{0,4}[a-zA-Z0-9])?(\.[a-zA-Z0-9]{1,4}){1,2}(:[0-9]{1,5})?$/),
    ),
    components: fc.array(pathComponent, { minLength: 1, maxLength: 4 }),
    tag: fc.option(word(/^\w[\w.-]{0,12}$/), { nil: undefined }),
    digest: fc.option(arbitraryDigest, { nil: undefined }),
  })
  .map(({ domain, components, tag, digest }) => ({
    domain: domain === 'index.docker.io' ? 'docker.io' : domain,
    path: (domain === 'docker.io' && components.length === 1 ? ['library', ...components] : components).join(
      '/',
    ),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  }));

const mediaType = fc.oneof(
  fc.constantFrom(
    'application/vnd.oci.image.manifest.v1+json',
    'application/vnd.oci.image.layer.v1.tar+gzip',
    'application/vnd.docker.distribution.manifest.v2+json',
  ),
  word(/^[a-z0-9]{1,8}\/[a-z0-9.+-]{0,3}[a-z0-9]$/).filter((type) => !/\/[.+-]/.test(type)),
);
const texts = fc.array(fc.string());
const notProto = fc.string().filter((key) => key !== '__proto__');
export const arbitraryAnnotations = fc.dictionary(notProto, fc.string(), { noNullPrototype: true });

export const arbitraryDescriptor: fc.Arbitrary<Descriptor> = record<Descriptor>(
  {
    mediaType,
    digest: arbitraryDigest,
    size: fc.maxSafeNat(),
    platform: arbitraryPlatform,
    annotations: arbitraryAnnotations,
    artifactType: mediaType,
    urls: fc.array(fc.webUrl()),
    data: fc.base64String(),
  },
  ['mediaType', 'digest', 'size'],
);

const time = fc
  .date({ min: new Date(0), max: new Date('2100-01-01T00:00:00Z'), noInvalidDate: true })
  .map((date) => date.toISOString());
const set = fc.dictionary(notProto, fc.constant({}), { noNullPrototype: true });
const duration = fc.maxSafeNat();

export const arbitraryConfig: fc.Arbitrary<ImageConfig> = fc
  .tuple(
    arbitraryPlatform,
    record<Omit<ImageConfig, keyof Platform>>(
      {
        created: time,
        author: fc.string(),
        config: record(
          {
            User: fc.string(),
            ExposedPorts: set,
            Env: texts,
            Entrypoint: texts,
            Cmd: texts,
            Volumes: set,
            WorkingDir: fc.string(),
            Labels: arbitraryAnnotations,
            StopSignal: fc.string(),
            ArgsEscaped: fc.boolean(),
            Healthcheck: record(
              {
                Test: texts,
                Interval: duration,
                Timeout: duration,
                StartPeriod: duration,
                StartInterval: duration,
                Retries: fc.nat(),
              },
              [],
            ),
            OnBuild: texts,
            Shell: texts,
          },
          [],
        ),
        rootfs: fc
          .array(arbitraryDigest)
          .map((digests) => ({ type: 'layers' as const, diff_ids: digests as unknown as DiffId[] })),
        history: fc.array(
          record(
            {
              created: time,
              created_by: fc.string(),
              author: fc.string(),
              comment: fc.string(),
              empty_layer: fc.boolean(),
            },
            [],
          ),
        ),
      },
      ['rootfs'],
    ),
  )
  .map(([platform, rest]) => ({ ...platform, ...rest }));
