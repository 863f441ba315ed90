import { describe, expect, it } from 'vitest';
import type { ArchBuildError } from '../../src/errors.ts';
import type { Dialect, Instruction, Kubefile } from '../../src/kubefile/instruction.ts';
import { parseKubefile, parseTrigger } from '../../src/kubefile/parse.ts';

const parse = (text: string, dialect: 'auto' | Dialect = 'dockerfile', file = 'Kubefile'): Kubefile =>
  parseKubefile(text, { file, dialect });

/** What an instruction says, without where it stands. */
function meaning(line: string): Record<string, unknown> {
  const instruction = parse(`FROM base\n${line}\n`).stages[0]!.instructions[0]!;
  const { range: _range, source: _source, ...rest } = instruction;
  return rest;
}

function errorOf(run: () => unknown): ArchBuildError {
  try {
    run();
  } catch (error) {
    return error as ArchBuildError;
  }
  throw new Error('no error');
}

const shell = (text: string): object => ({ form: 'shell', text });
const exec = (...words: string[]): object => ({ form: 'exec', words });

describe('instructions mean', () => {
  it.each<[string, object]>([
    // shell and JSON forms
    [`CMD ["a", 'b']`, { command: shell(`["a", 'b']`) }],
    ['CMD []', { command: exec() }],
    ['ENTRYPOINT []', { command: exec() }],
    ['CMD', { command: shell('') }],
    ['ENTRYPOINT [""]', { command: exec('') }],
    ['CMD ["a"] trailing', { command: shell('["a"] trailing') }],
    ['CMD [a]', { command: shell('[a]') }],
    ['CMD -- --help', { command: shell('--help') }],
    ['RUN   echo   a  ', { command: shell('echo   a') }],
    // names and values
    ['ENV a b c', { pairs: [{ key: 'a', value: 'b c' }] }],
    [
      'ENV d=1 e="x y" f=\'$d\' g=x\\ y h=$d',
      {
        pairs: [
          { key: 'd', value: '1' },
          { key: 'e', value: '"x y"' },
          { key: 'f', value: "'$d'" },
          { key: 'g', value: 'x\\ y' },
          { key: 'h', value: '$d' },
        ],
      },
    ],
    ['ENV a=b=c', { pairs: [{ key: 'a', value: 'b=c' }] }],
    [
      'LABEL "a b"="c" d=',
      {
        pairs: [
          { key: '"a b"', value: '"c"' },
          { key: 'd', value: '' },
        ],
      },
    ],
    ['ARG a b= c="d e"', { args: [{ key: 'a' }, { key: 'b', value: '' }, { key: 'c', value: '"d e"' }] }],
    // words
    [
      'EXPOSE 80 443/TCP 53/udp 7000-7002 8080:80',
      { words: ['80', '443/TCP', '53/udp', '7000-7002', '8080:80'] },
    ],
    ['VOLUME /a /b', { words: ['/a', '/b'] }],
    ['VOLUME ["/c d"]', { words: ['/c d'] }],
    ['VOLUME e', { words: ['e'] }],
    ['STOPSIGNAL 9', { word: '9' }],
    ['WORKDIR /a b', { word: '/a b' }],
    ['SHELL ["/bin/sh", "-c"]', { words: ['/bin/sh', '-c'] }],
    // checks
    ['HEALTHCHECK NONE', { command: 'NONE' }],
    ['HEALTHCHECK none', { command: 'NONE' }],
    ['HEALTHCHECK --retries=3 CMD x  y', { command: shell('x  y'), retries: '3' }],
    [
      'HEALTHCHECK --interval=1m --start-interval=2s cmd ["x"]',
      { command: exec('x'), interval: '1m', startInterval: '2s' },
    ],
    // flags
    [
      'RUN --mount=type=bind,source="a b",target=/x --mount=type=tmpfs,target=/t --network=none x',
      {
        mounts: ['type=bind,source=a b,target=/x', 'type=tmpfs,target=/t'],
        network: 'none',
        command: shell('x'),
      },
    ],
    ['RUN --security=insecure ["x"]', { security: 'insecure', command: exec('x') }],
    ['ONBUILD   RUN  a  b', { trigger: 'RUN  a  b' }],
  ])('%s', (line, expected) => expect(meaning(line)).toMatchObject(expected));

  it.each<[string, object]>([
    ['COPY a b', { link: false, parents: false, exclude: [] }],
    ['COPY --link a b', { link: true }],
    ['COPY --link=TRUE a b', { link: true }],
    ['COPY --link=false a b', { link: false }],
    ['COPY --parents --exclude=x --exclude=y a b', { parents: true, exclude: ['x', 'y'] }],
    ['COPY --from=x --chown=$U:1 --chmod=u+x a b', { from: 'x', chown: '$U:1', chmod: 'u+x' }],
    [
      'ADD --keep-git-dir --unpack --checksum=sha256:0 a b',
      { keepGitDir: true, unpack: true, checksum: 'sha256:0' },
    ],
    ['COPY --chown= a b', { chown: '' }],
  ])('%s has its flags', (line, flags) => expect(meaning(line)).toMatchObject({ flags }));

  it('leaves out what is not written', () => {
    expect(meaning('COPY a b')).toEqual({
      keyword: 'COPY',
      flags: { link: false, parents: false, exclude: [] },
      sources: [{ kind: 'word', word: 'a' }],
      destination: 'b',
    });
    expect(meaning('RUN x')).toEqual({ keyword: 'RUN', command: shell('x'), heredocs: [], mounts: [] });
  });

  it('takes any case of keywords and keeps that of arguments', () => {
    expect(meaning('wOrKdIr /A')).toEqual({ keyword: 'WORKDIR', word: '/A' });
  });
});

describe('lines', () => {
  const command = (text: string): unknown => meaning(text)['command'];

  it.each([
    ['RUN a \\\n b', 'a  b'],
    ['RUN a \\  \t\n b', 'a  b'],
    ['RUN a \\\n# comment\n  # indented comment\n b', 'a  b'],
    ['RUN a \\\n\n\n b', 'a  b'],
    ['RUN a \\', 'a'],
    ['RUN a \\\n', 'a'],
    ['RUN a \\\n\n', 'a'],
    ['RUN a \\\\', 'a \\\\'],
    ['RUN \\\n\\\na', 'a'],
    ['RUN a # not a comment', 'a # not a comment'],
    ['RUN a \\\r\n b\r', 'a  b'],
  ])('%j is one command', (text, expected) => expect(command(text)).toEqual(shell(expected)));

  it('leaves the other escape character to the shell', () => {
    const { stages, escape } = parse('# escape=`\nFROM base\nRUN echo c:\\d `\n e\\\n');
    expect(escape).toBe('`');
    expect(stages[0]?.instructions[0]).toMatchObject({ command: shell('echo c:\\d  e\\') });
  });

  it('gives each instruction its range, here-documents and continuations included', () => {
    const text = '\n  FROM base\n\nRUN a \\\n   b\n\tCOPY <<E /x\nbody\nE\nCMD x';
    const { stages } = parse(text);
    const [{ from, instructions }] = stages as [Kubefile['stages'][0]];
    expect(
      [from, ...instructions].map(({ range: { start, end } }) => [
        start.line,
        start.column,
        end.line,
        end.column,
      ]),
    ).toEqual([
      [2, 3, 2, 12],
      [4, 1, 5, 5],
      [6, 2, 8, 2],
      [9, 1, 9, 6],
    ]);
  });

  it('points at the word of a later physical line', () => {
    const error = errorOf(() => parse('FROM base\nCOPY --link \\\n# no\n\n   --link=perhaps \\\n a b'));
    expect(error).toMatchObject({
      code: 'KUBEFILE_SYNTAX',
      location: { file: 'Kubefile', line: 5, column: 4, sourceLine: '   --link=perhaps \\' },
    });
  });

  it('accepts a line of the greatest length and refuses one byte more', () => {
    const line = (bytes: number): string =>
      `FROM base\nRUN ${'é'.repeat(((bytes - 4) / 2) | 0)}${bytes % 2 === 0 ? '' : 'x'}\n`;
    expect(Buffer.byteLength(line(65_535).split('\n')[1]!)).toBe(65_535);
    expect(parse(line(65_535)).stages).toHaveLength(1);
    expect(errorOf(() => parse(line(65_536)))).toMatchObject({
      code: 'KUBEFILE_SYNTAX',
      message: expect.stringContaining('65535 bytes') as string,
      location: { line: 2 },
    });
  });
});

describe('here-documents', () => {
  const heredocs = (text: string): unknown => meaning(text)['heredocs'];
  const heredoc = (name: string, body: string, more: object = {}): object => ({
    name,
    body,
    expand: true,
    chomp: false,
    fileDescriptor: 0,
    ...more,
  });

  it.each<[string, object[]]>([
    ['RUN <<E\na\nE', [heredoc('E', 'a\n')]],
    ['RUN <<E\n# kept\n\n a \\\nE', [heredoc('E', '# kept\n\n a \\\n')]],
    ['RUN <<E\n E\nE \nE', [heredoc('E', ' E\nE \n')]],
    ['RUN <<-E\n\t\ta\n \tb\n\tE', [heredoc('E', 'a\n \tb\n', { chomp: true })]],
    ["RUN <<'E'\n$x\nE", [heredoc('E', '$x\n', { expand: false })]],
    ['RUN <<"a b"\nx\na b', [heredoc('a b', 'x\n', { expand: false })]],
    ['RUN 3<<E cat <<F\n1\nE\n2\nF', [heredoc('E', '1\n', { fileDescriptor: 3 }), heredoc('F', '2\n')]],
    ['RUN <<E\r\na\r\nE\r\n', [heredoc('E', 'a\r\n')]],
    ['RUN cat \\\n <<E\nx\nE', [heredoc('E', 'x\n')]],
    ['RUN <<$x\ny\n$x', [heredoc('$x', 'y\n')]],
    ['RUN "<<E"', []],
    ['RUN cat <<< E', []],
    ['RUN ["<<E"]', []],
    ["RUN echo it's <<E", []],
  ])('%j', (text, expected) => expect(heredocs(text)).toEqual(expected));

  it('belong to RUN, COPY and ADD only, and to those as triggers', () => {
    expect(meaning('CMD cat <<E')).toMatchObject({ command: shell('cat <<E') });
    expect(meaning('ONBUILD RUN <<E\na\nE')).toMatchObject({ trigger: 'RUN <<E\na\nE' });
  });

  it('are sources of COPY among others', () => {
    expect(meaning('COPY <<a b <<"c" /d/\n$x\na\n$y\nc')).toMatchObject({
      sources: [
        { kind: 'heredoc', heredoc: { name: 'a', body: '$x\n', expand: true } },
        { kind: 'word', word: 'b' },
        { kind: 'heredoc', heredoc: { name: 'c', body: '$y\n', expand: false } },
      ],
      destination: '/d/',
    });
  });

  it('name where they start and where the file ends when they are not closed', () => {
    expect(errorOf(() => parse('FROM base\nRUN <<E\na\nb\n'))).toMatchObject({
      code: 'KUBEFILE_SYNTAX',
      message: 'here-document "E" starts in line 2 and is not closed by the end of the file, line 4',
      location: { line: 2, column: 5 },
    });
  });
});

describe('dialects', () => {
  it.each<[string, string, Dialect]>([
    ['Kubefile', 'FROM a\nCOPY b c\n', 'kubefile-v1'],
    ['Kubefile', 'ARG A=1\nCMD x\nFROM a\nRUN y\n', 'kubefile-v1'],
    ['Kubefile', 'FROM a\nENV b=c\n', 'kubefile-v2'],
    ['Kubefile', 'FROM --platform=linux/arm64 a\n', 'kubefile-v2'],
    ['Kubefile', 'FROM a AS b\n', 'kubefile-v2'],
    ['Kubefile', 'FROM a\nFROM b\n', 'kubefile-v2'],
    ['Kubefile', 'FROM a\nRUN <<E\nE\n', 'kubefile-v2'],
    ['Dockerfile', 'FROM a\n', 'dockerfile'],
    ['deep/Dockerfile.arm64', 'FROM a\n', 'dockerfile'],
    ['dockerfile', 'FROM a\n', 'dockerfile'],
    ['Containerfile', 'FROM a\n', 'dockerfile'],
    ['web.dockerfile', 'FROM a\n', 'dockerfile'],
    ['Dockerfiles/Kubefile', 'FROM a\n', 'kubefile-v1'],
    ['Dockerfile', '# syntax=kubefile/v1\nFROM a\n', 'kubefile-v1'],
    ['Dockerfile', '# syntax = kubefile/v2\nFROM a\n', 'kubefile-v2'],
    ['Kubefile', '# syntax=dockerfile\nFROM a\n', 'dockerfile'],
    ['Kubefile', '# SYNTAX=docker/dockerfile:1.7-labs\nFROM a\n', 'dockerfile'],
    ['Kubefile', '# syntax=kubefile/v3\nFROM a\n', 'dockerfile'],
    ['Kubefile', '#\n# syntax=dockerfile\nFROM a\n', 'kubefile-v1'],
  ])('%s with %j is %s', (file, text, dialect) => expect(parse(text, 'auto', file).dialect).toBe(dialect));

  it('obey the caller before everything else', () => {
    expect(parse('# syntax=dockerfile\nFROM a\n', 'kubefile-v1', 'Dockerfile').dialect).toBe('kubefile-v1');
  });

  it.each<[Dialect, string, string]>([
    ['kubefile-v1', 'ENV a=b', 'KUBEFILE_SYNTAX'],
    ['kubefile-v1', 'CNI a b', 'KUBEFILE_SYNTAX'],
    ['dockerfile', 'LAUNCH a', 'KUBEFILE_SYNTAX'],
    ...['APP', 'APPCMDS', 'APPENV', 'CNI', 'CSI', 'KUBEVERSION', 'LAUNCH', 'CMDS'].flatMap((keyword) =>
      (['dockerfile', 'kubefile-v1'] as const).map((dialect): [Dialect, string, string] => [
        dialect,
        `${keyword} x y`,
        'KUBEFILE_SYNTAX',
      ]),
    ),
  ])('%s refuses %s with %s', (dialect, line, code) => {
    const error = errorOf(() => parse(`FROM a\n${line}\n`, dialect));
    expect(error).toMatchObject({ code, location: { line: 2, column: 1, sourceLine: line } });
  });

  it('reads the words of kubefile/v1: two for COPY, commas between ARGs', () => {
    const [stage] = parse('FROM a\nCOPY b c # why\nARG A=1,B=x,y,C=\nARG D\n', 'kubefile-v1').stages;
    expect(stage?.instructions).toMatchObject([
      { sources: [{ kind: 'word', word: 'b' }], destination: 'c' },
      {
        args: [
          { key: 'A', value: '1' },
          { key: 'B', value: 'x,y' },
          { key: 'C', value: '' },
        ],
      },
      { args: [{ key: 'D' }] },
    ]);
    const [other] = parse('FROM a\nARG A=1,B=2\n', 'kubefile-v2').stages;
    expect(other?.instructions).toMatchObject([{ args: [{ key: 'A', value: '1,B=2' }] }]);
  });

  it('puts what stands before FROM in kubefile/v1 into its stage', () => {
    const { globalArgs, stages } = parse('ARG A=1\nCMD x\nFROM a\nRUN y\n', 'kubefile-v1');
    expect(globalArgs).toHaveLength(1);
    expect(stages[0]?.instructions.map(({ keyword }) => keyword)).toEqual(['ARG', 'CMD', 'RUN']);
    expect(errorOf(() => parse('CMD x\nFROM a\n', 'kubefile-v2'))).toMatchObject({ code: 'KUBEFILE_SYNTAX' });
  });
});

describe('stages', () => {
  it('have indexes, lower-cased names and their own instructions', () => {
    const { stages, globalArgs } = parse('ARG A\nFROM a AS One\nRUN x\nFROM b\nFROM c as two\nRUN y\n');
    expect(globalArgs.map(({ args }) => args)).toEqual([[{ key: 'A' }]]);
    expect(
      stages.map(({ index, name, from, instructions }) => [index, name, from.alias, instructions.length]),
    ).toEqual([
      [0, 'one', 'One', 1],
      [1, undefined, undefined, 0],
      [2, 'two', 'two', 1],
    ]);
  });

  it('are at most a thousand', () => {
    expect(parse('FROM a\n'.repeat(1000)).stages).toHaveLength(1000);
    expect(errorOf(() => parse('FROM a\n'.repeat(1001)))).toMatchObject({
      code: 'KUBEFILE_SYNTAX',
      location: { line: 1001 },
    });
  });
});

describe('triggers out of an image', () => {
  const trigger = (text: string): Instruction => parseTrigger(text, 'ONBUILD of base');

  it('are instructions', () => {
    expect(trigger('copy --from=x a /b')).toMatchObject({
      keyword: 'COPY',
      destination: '/b',
      flags: { from: 'x' },
    });
    expect(trigger('RUN <<E\nx\nE')).toMatchObject({
      keyword: 'RUN',
      heredocs: [{ name: 'E', body: 'x\n' }],
    });
  });

  it('are what ONBUILD wrote', () => {
    const text = 'ONBUILD RUN <<-E \\\n cat\n\t\tone\n\ttwo\n\tE';
    const { trigger: stored } = parse(`FROM a\n${text}\n`).stages[0]!.instructions[0] as { trigger: string };
    expect(trigger(stored)).toMatchObject({ heredocs: [{ name: 'E', body: 'one\ntwo\n', chomp: true }] });
  });

  it.each([
    '',
    '# x',
    'FROM x',
    'ONBUILD RUN x',
    'maintainer me',
    'RUN a\nRUN b',
    'CPOY a b',
    'APP x',
    'RUN <<E',
  ])('%j is refused with its place', (text) => {
    expect(errorOf(() => trigger(text))).toMatchObject({
      code: 'KUBEFILE_SYNTAX',
      location: { file: 'ONBUILD of base' },
    });
  });
});
