import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import {
  emptyImageConfig,
  environmentOf,
  formatImageConfig,
  parseImageConfig,
  withEnvironment,
  type ImageConfig,
} from '../../src/oci/image-config.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { arbitraryConfig } from './arbitrary.ts';

const diffId = digestOf('layer');
const minimal = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [diffId] } };
const parse = (value: unknown): ImageConfig => parseImageConfig(Buffer.from(JSON.stringify(value)));
const withEnv = (...Env: string[]): ImageConfig => parse({ ...minimal, config: { Env } });

describe('parseImageConfig', () => {
  it('keeps fields it does not know, at every level', () => {
    const config = {
      ...minimal,
      container_config: { Cmd: null },
      config: { Env: ['A=1'], Memory: 0, Healthcheck: { Test: ['NONE'], New: 1 } },
      history: [{ created_by: 'x', 'moby.buildkit': { a: 1 } }],
      rootfs: { ...minimal.rootfs, base: 'x' },
      'moby.buildkit.cache': [1],
    };
    expect(parse(config)).toEqual(config);
    expect(JSON.parse(formatImageConfig(parse(config)).toString())).toEqual(config);
  });

  it('takes null for absent, as Docker writes it', () => {
    const config = {
      ...minimal,
      author: null,
      variant: null,
      'os.features': null,
      history: null,
      config: {
        Cmd: null,
        Entrypoint: null,
        Volumes: null,
        OnBuild: null,
        Labels: null,
        Healthcheck: null,
        Env: null,
      },
    };
    expect(parse(config)).toEqual({ ...minimal, config: {} });
    expect(parse({ ...minimal, config: null })).toEqual(minimal);
    expect(parse({ ...minimal, config: { Volumes: { '/v': null } } }).config).toEqual({
      Volumes: { '/v': {} },
    });
  });

  const withConfig = (config: unknown): object => ({ ...minimal, config });
  it.each<[string, unknown, RegExp]>([
    ['a list', [], /is not an object/],
    ['no architecture', { ...minimal, architecture: undefined }, /has no architecture/],
    ['a null os', { ...minimal, os: null }, /os is not a string/],
    ['an os that is a number', { ...minimal, os: 1 }, /os is not a string/],
    ['no rootfs', { ...minimal, rootfs: undefined }, /has no rootfs/],
    ['another rootfs type', { ...minimal, rootfs: { type: 'x', diff_ids: [] } }, /type is not "layers"/],
    ['no diff_ids', { ...minimal, rootfs: { type: 'layers' } }, /has no diff_ids/],
    ['null diff_ids', { ...minimal, rootfs: { type: 'layers', diff_ids: null } }, /diff_ids is not a list/],
    ['a bad diff_id', { ...minimal, rootfs: { type: 'layers', diff_ids: ['x'] } }, /diff_ids\[0\] is not/],
    ['a created that is no time', { ...minimal, created: 'yesterday' }, /created is not a time/],
    ['a config that is a list', withConfig([]), /config\.config is not an object/],
    ['an Env object', withConfig({ Env: { A: '1' } }), /Env is not a list/],
    ['an Env of numbers', withConfig({ Env: [1] }), /Env\[0\] is not a string/],
    ['a Cmd in text', withConfig({ Cmd: 'sh' }), /Cmd is not a list/],
    ['Labels of numbers', withConfig({ Labels: { a: 1 } }), /Labels\["a"\] is not a string/],
    ['Volumes in a list', withConfig({ Volumes: ['/v'] }), /Volumes is not an object/],
    [
      'ports with text',
      withConfig({ ExposedPorts: { '80/tcp': 'x' } }),
      /ExposedPorts\["80\/tcp"\] is not an object/,
    ],
    ['a User number', withConfig({ User: 0 }), /User is not a string/],
    ['an ArgsEscaped in text', withConfig({ ArgsEscaped: 'true' }), /ArgsEscaped is neither/],
    ['a Healthcheck in text', withConfig({ Healthcheck: 'x' }), /Healthcheck is not an object/],
    ['a negative interval', withConfig({ Healthcheck: { Interval: -1 } }), /Interval is not/],
    ['a history that is an object', { ...minimal, history: {} }, /history is not a list/],
    ['an empty_layer in text', { ...minimal, history: [{ empty_layer: 'yes' }] }, /empty_layer is neither/],
    ['a history entry of null', { ...minimal, history: [null] }, /history\[0\] is not an object/],
  ])('refuses %s', (_name, document, message) => {
    expect(() => parse(document)).toThrow(
      expect.objectContaining({
        code: 'DOCUMENT_INVALID',
        message: expect.stringMatching(message) as string,
      }),
    );
  });

  it.each([
    '2024-01-31T12:00:00Z',
    '2015-10-31T22:22:56.015925234Z',
    '2024-01-31T12:00:00.5+02:00',
    '0001-01-01T00:00:00Z',
  ])('takes the time %s', (created) => {
    expect(parse({ ...minimal, created, history: [{ created }] }).created).toBe(created);
  });

  it('gives a config or DOCUMENT_INVALID for any JSON', () => {
    const field = fc.constantFrom('config', 'history', 'rootfs', 'os', 'created', 'os.features', 'author');
    fc.assert(
      fc.property(field, fc.jsonValue(), (key, value) => {
        try {
          parse({ ...minimal, [key]: value });
        } catch (error) {
          expect(error).toMatchObject({ code: 'DOCUMENT_INVALID' });
        }
      }),
    );
  });
});

describe('formatImageConfig', () => {
  it('writes known fields in one order and the others after them', () => {
    const config = parse({
      zeta: 1,
      history: [{ empty_layer: true, created_by: 'x' }],
      rootfs: { diff_ids: [], type: 'layers' },
      config: { Zeta: 1, Shell: ['sh'], Labels: { b: '2', a: '1' }, Env: ['Z=1', 'A=2'], User: 'u' },
      os: 'linux',
      variant: 'v7',
      architecture: 'arm',
      alpha: 1,
      created: '2024-01-31T12:00:00Z',
    });
    expect(formatImageConfig(config).toString()).toBe(
      '{"created":"2024-01-31T12:00:00Z","architecture":"arm","os":"linux","variant":"v7",' +
        '"config":{"User":"u","Env":["Z=1","A=2"],"Labels":{"a":"1","b":"2"},"Shell":["sh"],"Zeta":1},' +
        '"rootfs":{"type":"layers","diff_ids":[]},"history":[{"created_by":"x","empty_layer":true}],"alpha":1,"zeta":1}',
    );
  });

  it('is read back, and gives the same bytes again whatever the order of the fields', () => {
    fc.assert(
      fc.property(arbitraryConfig, (config) => {
        const bytes = formatImageConfig(config);
        const parsed = parseImageConfig(bytes);
        expect(parsed).toEqual(config);
        const reversed = Object.fromEntries(Object.entries(parsed).reverse()) as unknown as ImageConfig;
        expect(formatImageConfig(reversed)).toEqual(bytes);
      }),
    );
  });

  it('writes an empty config that is read back', () => {
    const empty = emptyImageConfig(parsePlatform('linux/arm/v6'));
    expect(empty).toMatchObject({
      os: 'linux',
      architecture: 'arm',
      variant: 'v6',
      rootfs: { diff_ids: [] },
    });
    expect(parseImageConfig(formatImageConfig(empty))).toEqual(empty);
    expect(emptyImageConfig(parsePlatform('linux/arm64/v8'))).not.toHaveProperty('variant');
  });
});

describe('environment', () => {
  it('is the last value of each name', () => {
    expect([...environmentOf(withEnv('A=1', 'B=x=y', 'C=', 'D', 'A=2', '=x', ''))]).toEqual([
      ['A', '2'],
      ['B', 'x=y'],
      ['C', ''],
      ['D', ''],
    ]);
    expect(environmentOf(parse(minimal)).size).toBe(0);
  });

  it.each([
    [['A=1', 'B=2'], { B: '3' }, ['A=1', 'B=3']],
    [['A=1', 'B=2'], { C: '3', A: '0' }, ['A=0', 'B=2', 'C=3']],
    [['A=1', 'B=2', 'A=3'], { A: '4' }, ['A=4', 'B=2']],
    [['A', 'B=2'], { A: '4' }, ['A=4', 'B=2']],
    [['AB=1'], { A: '4' }, ['AB=1', 'A=4']],
    [[], { A: '' }, ['A=']],
    [['A=1'], {}, ['A=1']],
  ])('of %j with %j is %j', (before, added, after) => {
    const config = withEnv(...before);
    expect(withEnvironment(config, new Map(Object.entries(added))).config?.Env).toEqual(after);
    expect(config.config?.Env).toEqual(before);
  });

  it('has what was added and what was there', () => {
    const name = fc.stringMatching(/^[A-Z]{1,2}$/);
    const variables = fc.array(fc.tuple(name, fc.string()));
    fc.assert(
      fc.property(variables, variables, (before, added) => {
        const config = withEnv(...before.map(([key, value]) => `${key}=${value}`));
        const changed = withEnvironment(config, new Map(added));
        expect(environmentOf(changed)).toEqual(new Map([...before, ...added]));
      }),
    );
  });
});
