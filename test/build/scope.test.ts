/** ARG and ENV: who wins, who sees whom, and what reaches RUN and the history. */
import { describe, expect, it } from 'vitest';
import { argValue, globalArgs, isProxyArg, platformArgs, proxyVariables } from '../../src/build/scope.ts';
import { parseKubefile } from '../../src/kubefile/parse.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { stageOf, type StageOptions } from './stage-of.ts';

/** What the variable is after the stage; undefined when it is not set. */
const valueOf = (name: string, text: string, options?: StageOptions): string | undefined =>
  stageOf(text, options).state.variables.get(name);

const configOf = (text: string, options?: StageOptions): readonly string[] =>
  stageOf(text, { base: {}, ...options }).config.Env ?? [];

describe('ARG and ENV in a stage', () => {
  it.each<{
    name: string;
    text: string;
    variable?: string;
    value: string | undefined;
    options?: StageOptions;
  }>([
    { name: 'a global ARG is not seen', text: 'ARG A=x\nFROM y', value: undefined },
    { name: 'a global ARG is seen once declared', text: 'ARG A=x\nFROM y\nARG A', value: 'x' },
    { name: 'a declared default beats the global one', text: 'ARG A=x\nFROM y\nARG A=z', value: 'z' },
    { name: 'the last writer wins: ARG after ENV', text: 'ARG A=1\nENV A=2\nARG A=3', value: '3' },
    { name: 'the last writer wins: ENV after ARG', text: 'ARG A=1\nARG A=3\nENV A=2', value: '2' },
    {
      name: '--build-arg beats the default',
      text: 'ARG A=1',
      value: '9',
      options: { buildArgs: { A: '9' } },
    },
    {
      name: '--build-arg beats an ENV above the ARG',
      text: 'ENV A=2\nARG A=3',
      value: '9',
      options: { buildArgs: { A: '9' } },
    },
    {
      name: '--build-arg does not beat an ENV below the ARG',
      text: 'ARG A=3\nENV A=2',
      value: '2',
      options: { buildArgs: { A: '9' } },
    },
    {
      name: '--build-arg of an undeclared name is not seen',
      text: 'ENV B=1',
      value: undefined,
      options: { buildArgs: { A: '9' } },
    },
    {
      name: 'an empty --build-arg is a value',
      text: 'ARG A=3',
      value: '',
      options: { buildArgs: { A: '' } },
    },
    {
      name: '--build-arg reaches a global ARG and through it the stage',
      text: 'ARG A=1\nFROM y\nARG A',
      value: '9',
      options: { buildArgs: { A: '9' } },
    },
    { name: 'ARG without a value leaves ENV alone', text: 'ENV A=2\nARG A', value: '2' },
    { name: 'ARG without any value is unset', text: 'ARG A', value: undefined },
    { name: 'an ARG sees those above it', text: 'ARG B=b\nARG A=$B-x', value: 'b-x' },
    {
      name: 'an ARG sees the base’s environment',
      text: 'ARG A=$B',
      value: 'base',
      options: { base: { Env: ['B=base'] } },
    },
    { name: 'a platform ARG is unset undeclared', text: 'ENV A=$TARGETARCH', value: '' },
    {
      name: 'a platform ARG is set once declared',
      text: 'ARG TARGETARCH\nENV A=$TARGETARCH',
      value: 'arm64',
      options: { platform: 'linux/arm64' },
    },
    {
      name: 'an explicit default beats the automatic value',
      text: 'ARG TARGETARCH=zz\nENV A=$TARGETARCH',
      value: 'zz',
      options: { platform: 'linux/arm64' },
    },
    {
      name: 'a global default beats the automatic value',
      text: 'ARG TARGETARCH=zz\nFROM y\nARG TARGETARCH\nENV A=$TARGETARCH',
      value: 'zz',
    },
    {
      name: 'a global declaration alone keeps the automatic value',
      text: 'ARG TARGETARCH\nFROM y\nARG TARGETARCH\nENV A=$TARGETARCH',
      value: 'riscv64',
      options: { platform: 'linux/riscv64' },
    },
  ])('$name', ({ text, value, options }) => {
    expect(valueOf('A', text, options)).toBe(value);
  });

  it.each([
    ['ARG A=1\nENV A=2\nARG A=3', ['A=2']],
    ['ENV A=2\nARG A=3', ['A=2']],
    ['ARG A=3', []],
  ])('never puts an ARG into the image: %j', (text, env) => {
    expect(configOf(text)).toEqual(env);
    expect(configOf(text, { buildArgs: { A: '9' } })).toEqual(env);
  });

  it('puts --build-arg into what RUN sees although the image keeps the ENV', () => {
    const { runs, config } = stageOf('ENV A=2\nARG A=3\nRUN true', { base: {}, buildArgs: { A: '9' } });
    expect(runs[0]?.state.variables.get('A')).toBe('9');
    expect(config.Env).toEqual(['A=2']);
  });

  it('fails on ${x:?} with its message', () => {
    expect(() => stageOf('ARG A="${B:?tell me}"')).toThrow(
      expect.objectContaining({ code: 'EXPANSION', message: expect.stringContaining('tell me') as string }),
    );
  });
});

describe('all values of one instruction', () => {
  it.each([
    ['ENV d=1 e="x y" f=\'$d\' g=x\\ y h=$d', ['d=1', 'e=x y', 'f=$d', 'g=x y', 'h=']],
    ['ENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc', ['abc=bye', 'def=hello', 'ghi=bye']],
    ['ENV a b c', ['a=b c']],
    ['ENV a=1 a=2', ['a=2']],
    ['ENV $x=1 ${y}b=2', undefined],
  ])('see the environment from before it: %j', (text, env) => {
    if (env === undefined)
      expect(() => configOf(text)).toThrow(expect.objectContaining({ code: 'KUBEFILE_SEMANTICS' }));
    else expect(configOf(text)).toEqual(env);
  });

  it('holds for ARG and LABEL too', () => {
    expect(valueOf('B', 'ARG A=new B=$A', { base: { Env: ['A=old'] } })).toBe('old');
    expect(stageOf('LABEL a=1 b=$a').config.Labels).toEqual({ a: '1', b: '' });
  });
});

describe('the environment of the image', () => {
  it('keeps the base’s order and replaces in place', () => {
    const base = { Env: ['A=1', 'B=2', 'C=3'] };
    expect(configOf('ENV B=x D=4', { base })).toEqual(['A=1', 'B=x', 'C=3', 'D=4']);
  });

  it('has a PATH on scratch, which ENV can extend', () => {
    expect(stageOf('ENV PATH=$PATH:/x').config.Env).toEqual([
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/x',
    ]);
  });
});

describe('ARGs before the first FROM', () => {
  const globalsOf = (text: string, buildArgs: Record<string, string> = {}): Map<string, string> => {
    const kubefile = parseKubefile(`${text}\nFROM x`, { file: 'Dockerfile' });
    const sources = {
      buildArgs,
      platformArgs: platformArgs(parsePlatform('linux/amd64'), parsePlatform('linux/arm/v7'), '0'),
    };
    return new Map(globalArgs(kubefile.globalArgs, sources, { escape: kubefile.escape }));
  };

  it.each<[string, Record<string, string>, Record<string, string>]>([
    ['ARG A=1\nARG B=$A$TARGETVARIANT', {}, { A: '1', B: '1v7' }],
    ['ARG A=1 B=$A', {}, { A: '1', B: '1' }],
    ['ARG A=1\nARG B=$A', { A: '2' }, { A: '2', B: '2' }],
    ['ARG A', {}, {}],
    ['ARG A', { A: 'x', C: 'unused' }, { A: 'x' }],
    ['ARG TARGETARCH', {}, { TARGETARCH: 'arm' }],
    ['ARG A=\nARG B=${A:-d}', {}, { A: '', B: 'd' }],
  ])('%j with %j', (text, buildArgs, expected) => {
    expect(Object.fromEntries(globalsOf(text, buildArgs))).toEqual(expected);
  });
});

describe('platform ARGs', () => {
  it.each([
    ['linux/amd64', '', 'linux/amd64'],
    ['linux/arm64', '', 'linux/arm64'],
    ['linux/arm64/v8', '', 'linux/arm64'],
    ['linux/arm', 'v7', 'linux/arm/v7'],
    ['linux/arm/v6', 'v6', 'linux/arm/v6'],
    ['linux/s390x', '', 'linux/s390x'],
  ])('describe %s', (target, variant, platform) => {
    const parsed = parsePlatform(target);
    const args = Object.fromEntries(platformArgs(parsePlatform('linux/amd64'), parsed, 'stage'));
    expect(args).toEqual({
      BUILDPLATFORM: 'linux/amd64',
      BUILDOS: 'linux',
      BUILDOSVERSION: '',
      BUILDARCH: 'amd64',
      BUILDVARIANT: '',
      TARGETPLATFORM: platform,
      TARGETOS: 'linux',
      TARGETOSVERSION: '',
      TARGETARCH: parsed.architecture,
      TARGETVARIANT: variant,
      TARGETSTAGE: 'stage',
    });
  });

  it('are overridden by --build-arg once declared', () => {
    const sources = {
      buildArgs: { TARGETARCH: 'x' },
      globals: new Map(),
      platformArgs: new Map([['TARGETARCH', 'arm64']]),
    };
    expect(argValue({ key: 'TARGETARCH' }, sources, (word) => word)).toBe('x');
  });
});

describe('RUN', () => {
  it.each<[string, string, StageOptions?]>([
    ['RUN echo $A', 'RUN /bin/sh -c echo $A'],
    ['ARG V=val\nRUN echo', 'RUN |1 V=val /bin/sh -c echo'],
    ['ARG B=2\nARG A=1\nRUN echo', 'RUN |2 B=2 A=1 /bin/sh -c echo'],
    ['ARG A\nRUN echo', 'RUN |1 A= /bin/sh -c echo'],
    ['ARG A=1\nENV A=2\nRUN echo', 'RUN |1 A=2 /bin/sh -c echo'],
    ['ENV A=2\nARG A=1\nRUN echo', 'RUN |1 A=1 /bin/sh -c echo'],
    ['ARG A=1\nRUN echo', 'RUN |1 A=3 /bin/sh -c echo', { buildArgs: { A: '3' } }],
    ['RUN', 'RUN /bin/sh -c '],
    ['SHELL ["/bin/echo", "said"]\nRUN', 'RUN /bin/echo said '],
    ['RUN ["a", "b c"]', 'RUN a b c'],
    ['RUN echo', 'RUN /bin/sh -c echo', { buildArgs: { HTTP_PROXY: 'http://user:secret@p' } }],
    ['ARG HTTPS_PROXY\nRUN echo', 'RUN /bin/sh -c echo', { buildArgs: { HTTPS_PROXY: 'secret' } }],
    ['ARG no_proxy=a\nARG V=1\nRUN echo', 'RUN |1 V=1 /bin/sh -c echo'],
  ])('of %j has the history text %j', (text, history, options) => {
    expect(stageOf(text, options).history.at(-1)).toBe(history);
  });

  const keyOf = (text: string, options?: StageOptions): string =>
    stageOf(text, options).runs.at(-1)!.step.key;
  const same = 'RUN make';

  it.each<[string, string, StageOptions?]>([
    ['an ARG', 'ARG A=1\nRUN make'],
    ['an ARG of another value', 'ARG A=2\nRUN make'],
    ['a --build-arg', 'ARG A=1\nRUN make', { buildArgs: { A: '3' } }],
    ['an ENV', 'ENV B=1\nRUN make'],
    ['a proxy of the image', 'ENV http_proxy=p\nRUN make'],
    ['a user', 'USER nobody\nRUN make'],
    ['a shell', 'SHELL ["/bin/bash", "-c"]\nRUN make'],
    ['a network', 'RUN --network=none make'],
    ['a platform', 'RUN make', { platform: 'linux/arm64' }],
    ['exec form', 'RUN ["make"]'],
  ])('has another cache key with %s', (_what, text, options) => {
    expect(keyOf(text, options)).not.toBe(keyOf(same));
  });

  it('tells proxies of images apart, whatever the build is given', () => {
    const keys = ['p', 'q'].map((proxy) => keyOf(`ENV http_proxy=${proxy}\nRUN make`));
    expect(keys[0]).not.toBe(keys[1]);
    const given = { buildArgs: { http_proxy: 'x' } };
    expect(keyOf('ENV http_proxy=p\nARG http_proxy\nRUN make', given)).toBe(keys[0]);
  });

  it.each<[string, string, StageOptions?]>([
    ['an ARG below it', 'RUN make\nARG A=1'],
    ['an ARG that has no value', 'ARG A\nRUN make'],
    ['an undeclared --build-arg', 'RUN make', { buildArgs: { A: '3' } }],
    ['a proxy', 'RUN make', { buildArgs: { http_proxy: 'p', NO_PROXY: 'q' } }],
    ['a declared proxy', 'ARG http_proxy\nRUN make', { buildArgs: { http_proxy: 'p' } }],
    ['a CMD', 'CMD x\nRUN make'],
    ['a label', 'LABEL a=b\nRUN make'],
  ])('keeps its cache key with %s', (_what, text, options) => {
    expect(stageOf(text, options).runs[0]!.step.key).toBe(keyOf(same));
  });

  it('is not confused by values that look like other names', () => {
    const keys = ['ENV A="1" B="2"', 'ENV A="1,B=2"', 'ENV A="1\\nB=2"', 'ENV A="1" "B=2"=""'].flatMap(
      (env) => {
        try {
          return [keyOf(`${env}\nRUN make`)];
        } catch {
          return [];
        }
      },
    );
    expect(keys.length).toBeGreaterThan(2);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('proxy settings', () => {
  it('reach RUN without a declaration, in both spellings', () => {
    const given = {
      HTTP_PROXY: 'a',
      all_proxy: 'b',
      Http_Proxy: 'c',
      OTHER: 'd',
      no_proxy: 'e',
      NO_PROXY: 'f',
    };
    expect(proxyVariables(given)).toEqual([
      ['HTTP_PROXY', 'a'],
      ['http_proxy', 'a'],
      ['NO_PROXY', 'f'],
      ['no_proxy', 'e'],
      ['ALL_PROXY', 'b'],
      ['all_proxy', 'b'],
    ]);
    expect([...Object.keys(given)].filter(isProxyArg)).toEqual([
      'HTTP_PROXY',
      'all_proxy',
      'no_proxy',
      'NO_PROXY',
    ]);
  });
});
