/** Config instructions: what they leave in the image config, and their history texts. */
import { describe, expect, it } from 'vitest';
import { resolveWorkdir } from '../../src/build/config-steps.ts';
import { scratchImage } from '../../src/build/base-image.ts';
import { beginStage, withContainerConfig } from '../../src/build/stage-state.ts';
import type { ContainerConfig } from '../../src/oci/image-config.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { stageOf } from './stage-of.ts';

/** Over an empty base, so that what is there came from the text. */
const configOf = (text: string, base: ContainerConfig = {}): ContainerConfig =>
  stageOf(text, { base }).config;

describe('CMD and ENTRYPOINT', () => {
  it.each<[string, ContainerConfig, ContainerConfig?]>([
    ['CMD ["a", "b"]', { Cmd: ['a', 'b'] }],
    ['CMD a "b" $c', { Cmd: ['/bin/sh', '-c', 'a "b" $c'] }],
    ['CMD ["a", \'b\']', { Cmd: ['/bin/sh', '-c', '["a", \'b\']'] }],
    ['CMD', { Cmd: ['/bin/sh', '-c', ''] }],
    ['CMD []', {}],
    ['CMD []', {}, { Cmd: ['inherited'] }],
    ['ENTRYPOINT []', {}],
    ['ENTRYPOINT []', {}, { Entrypoint: ['inherited'], Cmd: ['inherited'] }],
    ['ENTRYPOINT [""]', { Entrypoint: [''] }],
    ['ENTRYPOINT ["e"]', { Entrypoint: ['e'] }, { Cmd: ['inherited'], Entrypoint: ['old'] }],
    ['CMD ["c"]\nENTRYPOINT ["e"]', { Cmd: ['c'], Entrypoint: ['e'] }, { Cmd: ['inherited'] }],
    ['CMD []\nENTRYPOINT ["e"]', { Entrypoint: ['e'] }, { Cmd: ['inherited'] }],
    ['ENTRYPOINT ["e"]\nCMD ["c"]', { Cmd: ['c'], Entrypoint: ['e'] }],
    ['ENTRYPOINT ["e"]\nENTRYPOINT ["f"]\nCMD ["c"]\nENTRYPOINT ["g"]', { Cmd: ['c'], Entrypoint: ['g'] }],
    ['CMD ["c"]', { Cmd: ['c'], Entrypoint: ['old'] }, { Entrypoint: ['old'] }],
    ['SHELL ["/bin/bash", "-c"]\nCMD x', { Shell: ['/bin/bash', '-c'], Cmd: ['/bin/bash', '-c', 'x'] }],
    ['CMD x\nSHELL ["/bin/bash", "-c"]', { Shell: ['/bin/bash', '-c'], Cmd: ['/bin/sh', '-c', 'x'] }],
    ['ENTRYPOINT x', { Entrypoint: ['s', 'x'], Shell: ['s'] }, { Shell: ['s'] }],
  ])('%j gives %j', (text, expected, base) => {
    expect(configOf(text, base)).toEqual(expected);
  });

  it.each(['CMD []', 'ENTRYPOINT []'])('leave no empty list in the document: %s', (text) => {
    expect(Object.keys(configOf(text, { Cmd: ['a'], Entrypoint: ['b'] }))).not.toContain(
      text.split(' ')[0] === 'CMD' ? 'Cmd' : 'Entrypoint',
    );
  });
});

describe('LABEL', () => {
  it('adds to the base’s and replaces', () => {
    expect(configOf('LABEL a=2 "b c"="d e"\nLABEL f=${x:-y}', { Labels: { a: '1', z: '0' } }).Labels).toEqual(
      {
        a: '2',
        z: '0',
        'b c': 'd e',
        f: 'y',
      },
    );
  });

  it('takes names that mean something to JavaScript', () => {
    const { Labels = {} } = configOf('LABEL __proto__=a constructor=b');
    expect(Object.entries(Labels)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
  });
});

describe('EXPOSE', () => {
  it('takes every form of a port, and variables that hold several', () => {
    const { ExposedPorts = {} } = configOf(
      'ENV P="90 91/udp"\nEXPOSE 80 443/TCP 53/udp 7000-7002 8080:80\nEXPOSE $P',
      {
        ExposedPorts: { '1/tcp': {} },
      },
    );
    expect(ExposedPorts).toEqual(
      Object.fromEntries(
        ['1/tcp', '80/tcp', '443/tcp', '53/udp', '7000/tcp', '7001/tcp', '7002/tcp', '90/tcp', '91/udp'].map(
          (port) => [port, {}],
        ),
      ),
    );
  });
});

describe('VOLUME', () => {
  it.each<[string, string[]]>([
    ['VOLUME /a /b', ['/a', '/b']],
    ['VOLUME ["/c d"]', ['/c d']],
    ['VOLUME e', ['e']],
    ['ENV V=/v\nVOLUME $V/w', ['/v/w']],
  ])('%j', (text, paths) => {
    expect(Object.keys(configOf(text).Volumes ?? {})).toEqual(paths);
  });

  it.each(['VOLUME [""]', 'VOLUME $nothing', 'VOLUME ["/a", ""]'])('refuses an empty path: %s', (text) => {
    const code = text.includes('[') ? 'KUBEFILE_SYNTAX' : 'KUBEFILE_SEMANTICS';
    expect(() => configOf(text)).toThrow(expect.objectContaining({ code }));
  });
});

describe('the other words', () => {
  it.each<[string, ContainerConfig]>([
    ['USER $U', { User: '' }],
    ['USER 1000:100', { User: '1000:100' }],
    ['USER nosuch', { User: 'nosuch' }],
    ['STOPSIGNAL 9', { StopSignal: '9' }],
    ['STOPSIGNAL SIGTERM', { StopSignal: 'SIGTERM' }],
    ['SHELL ["/bin/sh"]', { Shell: ['/bin/sh'] }],
    ['HEALTHCHECK NONE', { Healthcheck: { Test: ['NONE'] } }],
    ['ONBUILD RUN a\nONBUILD ENV b=$c', { OnBuild: ['RUN a', 'ENV b=$c'] }],
  ])('%j', (text, expected) => {
    expect(configOf(text)).toEqual(expected);
  });

  it('MAINTAINER is the image’s author', () => {
    expect(stageOf('MAINTAINER A <a@b>').state.config.author).toBe('A <a@b>');
  });

  it('STOPSIGNAL of no signal is an error', () => {
    expect(() => configOf('STOPSIGNAL SIGFOO')).toThrow(
      expect.objectContaining({ code: 'KUBEFILE_SEMANTICS' }),
    );
  });
});

describe('history texts', () => {
  it.each([
    ['ENV A=1 B="x y"', 'ENV A=1 B=x y'],
    ['ARG A', 'ARG A'],
    ['ARG A=$x.', 'ARG A=.'],
    ['LABEL a=b', 'LABEL a=b'],
    ['CMD ["a"]', 'CMD ["a"]'],
    ['CMD a', 'CMD ["/bin/sh","-c","a"]'],
    ['ENTRYPOINT ["a", "b"]', 'ENTRYPOINT ["a","b"]'],
    ['EXPOSE 80 443/tcp', 'EXPOSE 80 443/tcp'],
    ['VOLUME /a /b', 'VOLUME ["/a","/b"]'],
    ['USER u', 'USER u'],
    ['SHELL ["s", "-c"]', 'SHELL ["s","-c"]'],
    ['STOPSIGNAL 9', 'STOPSIGNAL 9'],
    ['HEALTHCHECK --interval=3s CMD true', 'HEALTHCHECK --interval=3s CMD true'],
    ['MAINTAINER me', 'MAINTAINER me'],
    ['cmd ["a"]', 'CMD ["a"]'],
  ])('of %j is %j', (text, history) => {
    expect(stageOf(text).history).toEqual([history]);
  });

  it('show an ARG as the file has it, whatever is given', () => {
    expect(stageOf('ARG A=1', { buildArgs: { A: '2' } }).history).toEqual(['ARG A=1']);
    expect(stageOf('ARG A', { buildArgs: { A: '2' } }).history).toEqual(['ARG A']);
    expect(stageOf('ARG A=1\nARG B=$A-x C', { buildArgs: { A: '2' } }).history.at(-1)).toBe('ARG B=2-x C');
  });
});

describe('WORKDIR', () => {
  const state = beginStage(parsePlatform('linux/amd64'), scratchImage(parsePlatform('linux/amd64')));
  it.each([
    [undefined, 'a', '/a'],
    [undefined, '/', '/'],
    ['', '.', '/'],
    ['/a', 'b/../c', '/a/c'],
    ['/a/b', '../../../..', '/'],
    ['/a', '/b/', '/b'],
    ['/a', '//b//c/.', '/b/c'],
    ['rel', 'x', '/rel/x'],
    ['/a', 'with blank', '/a/with blank'],
  ])('%j then %j is %j', (WorkingDir, word, expected) => {
    const from = WorkingDir === undefined ? state : withContainerConfig(state, { WorkingDir });
    expect(resolveWorkdir(from, word)).toBe(expected);
  });
});
