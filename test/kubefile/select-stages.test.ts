import { describe, expect, it } from 'vitest';
import { parseKubefile } from '../../src/kubefile/parse.ts';
import { findBaseStage, findCopyStage, selectStages } from '../../src/kubefile/select-stages.ts';

const parse = (text: string): ReturnType<typeof parseKubefile> => parseKubefile(text, { file: 'Dockerfile' });
const selected = (text: string, target?: string, scope?: Map<string, string>): number[] =>
  selectStages(parse(text), { target }, scope).map(({ index }) => index);

describe('stages that are needed', () => {
  it.each<[string, string, number[]]>([
    ['the last one', 'FROM a\nFROM b\n', [1]],
    ['its base', 'FROM a AS x\nFROM b\nFROM x\n', [0, 2]],
    ['its base without case', 'FROM a AS X\nFROM x\n', [0, 1]],
    ['the nearest earlier base of that name', 'FROM a AS x\nFROM b AS x\nFROM x AS y\nFROM x AS x\n', [1, 3]],
    ['what it copies from', 'FROM a AS x\nFROM b\nFROM c\nCOPY --from=x /a /b\n', [0, 2]],
    ['what it copies from by number', 'FROM a\nFROM b\nFROM c\nCOPY --from=1 /a /b\n', [1, 2]],
    ['what it mounts', 'FROM a AS x\nFROM b\nRUN --mount=type=bind,from=x,target=/t y\n', [0, 1]],
    ['what it mounts, quoted', 'FROM a AS x\nFROM b\nRUN --mount=\'type=bind,"from=x"\' y\n', [0, 1]],
    [
      'what those need in turn',
      'FROM a AS x\nFROM x AS y\nFROM b AS z\nCOPY --from=y / /\nFROM z\n',
      [0, 1, 2, 3],
    ],
    ['no images', 'FROM a AS x\nFROM b\nCOPY --from=docker.io/library/y / /\n', [1]],
    [
      'each earlier one that a variable may mean',
      'FROM a AS x\nFROM b\nFROM c\nCOPY --from=$X / /\nFROM d\nFROM x\nFROM c\nCOPY --from=$X / /\n',
      [0, 1, 2, 3, 4, 5],
    ],
    ['a base by a global ARG', 'ARG B=x\nFROM a AS x\nFROM ${B}\n', [0, 1]],
  ])('%s', (_, text, expected) => expect(selected(text)).toEqual(expected));

  it.each<[string, number[]]>([
    ['one', [0]],
    ['TWO', [0, 1]],
    ['0', [0]],
    ['2', [0, 1, 2]],
  ])('for target %s', (target, expected) => {
    expect(selected('FROM a AS one\nFROM one AS two\nFROM two\n', target)).toEqual(expected);
  });

  it.each<[string | undefined, number[]]>([
    [undefined, [0, 1, 2]],
    ['two', [0, 1]],
  ])('or all up to the target %s', (target, expected) => {
    const kubefile = parse('FROM a\nFROM b AS two\nFROM c\n');
    expect(selectStages(kubefile, { target, allStages: true }).map(({ index }) => index)).toEqual(expected);
  });

  it('follow the scope they are given', () => {
    expect(selected('ARG B=none\nFROM a AS x\nFROM $B\n', undefined, new Map([['B', 'x']]))).toEqual([0, 1]);
  });

  it('leave what does not expand to whoever has all variables', () => {
    expect(selected('ARG B=${needed:?}\nFROM a AS x\nFROM ${B:?}\n')).toEqual([1]);
  });
});

describe('stages that cannot be had', () => {
  it('are unknown targets, with those there are', () => {
    const kubefile = parse('FROM a AS one\nFROM b\n');
    expect(() => selectStages(kubefile, { target: 'tow' })).toThrow(
      expect.objectContaining({
        code: 'STAGE_UNKNOWN',
        message: 'there is no stage "tow"',
        hint: 'The stages are one, 1',
      }),
    );
    expect(() => selectStages(kubefile, { target: '2' })).toThrow(
      expect.objectContaining({ code: 'STAGE_UNKNOWN' }),
    );
    expect(() => selectStages(kubefile, { target: '' })).toThrow(
      expect.objectContaining({ code: 'STAGE_UNKNOWN' }),
    );
  });

  it.each<[string, string, object]>([
    [
      'itself by name',
      'FROM a AS x\nCOPY --from=x / /\n',
      { message: 'circular dependency detected on stage "x"' },
    ],
    [
      'itself by number',
      'FROM a\nCOPY --from=0 / /\n',
      { message: 'circular dependency detected on stage "0"' },
    ],
    [
      'a later one',
      'FROM a\nCOPY --from=x / /\nFROM b AS x\nFROM b\nCOPY --from=0 / /\n',
      { message: 'cannot copy from stage "x", it needs to be defined before current stage "0"' },
    ],
    [
      'a later one by mount',
      'FROM a AS y\nRUN --mount=target=/x,from=x z\nFROM b AS x\nFROM y\n',
      { message: 'cannot copy from stage "x", it needs to be defined before current stage "y"' },
    ],
    [
      'a number nobody has',
      'FROM a\nCOPY --from=3 / /\n',
      { message: 'there is no stage 3: they are numbered from 0' },
    ],
    [
      'one of two',
      'FROM a AS x\nFROM b AS x\nFROM c\nCOPY --from=x / /\n',
      { message: 'stage name "x" is ambiguous: lines 1 and 2 define it' },
    ],
  ])('are %s', (_, text, expected) => {
    expect(() => selected(text)).toThrow(
      expect.objectContaining({ code: 'KUBEFILE_SEMANTICS', ...expected }),
    );
  });

  it('are pointed at', () => {
    expect(() => selected('FROM a\nCOPY --link \\\n  --from=0 / /\n')).toThrow(
      expect.objectContaining({
        location: { file: 'Dockerfile', line: 3, column: 5, sourceLine: '  --from=0 / /' },
      }),
    );
  });

  it('do no harm in stages that are not needed', () => {
    expect(selected('FROM a\nCOPY --from=later / /\nFROM b AS later\n')).toEqual([1]);
  });
});

it('a name is a base only when an earlier stage has it', () => {
  const kubefile = parse('FROM a AS x\nFROM b AS y\n');
  expect(findBaseStage(kubefile, 'Y', 1)).toBeUndefined();
  expect(findBaseStage(kubefile, 'Y', 2)?.index).toBe(1);
  expect(findBaseStage(kubefile, '0', 2)).toBeUndefined();
  expect(findCopyStage(kubefile, kubefile.stages[1]!, 'X')?.index).toBe(0);
  expect(findCopyStage(kubefile, kubefile.stages[1]!, 'alpine')).toBeUndefined();
});
