import { describe, expect, it } from 'vitest';
import { buildArgsOf } from '../../src/cli/build-args.ts';
import { openScratch } from '../support/scratch.ts';

describe('--build-arg-file', () => {
  it('has lines, of which later ones count, and the command line before all', async () => {
    await using scratch = await openScratch('args');
    const first = await scratch.write('first', '# comment\nA=1\nB=a b="c"\r\n\nC=\nHOME_OF_NOBODY\nA=2');
    const second = await scratch.write('second', 'B=2\nD=#3\n');
    const buildArgFile = [first, second];
    expect(buildArgsOf({ buildArg: [], buildArgFile })).toEqual({ A: '2', B: '2', C: '', D: '#3' });
    expect(buildArgsOf({ buildArg: ['A=9'], buildArgFile: [first] })).toEqual({
      A: '9',
      B: 'a b="c"',
      C: '',
    });
  });

  it('takes what has no value from the environment', async () => {
    await using scratch = await openScratch('args');
    const file = await scratch.write('file', 'BUILD_ARGS_TEST\n');
    process.env['BUILD_ARGS_TEST'] = 'here';
    try {
      expect(buildArgsOf({ buildArg: [], buildArgFile: [file] })).toEqual({ BUILD_ARGS_TEST: 'here' });
    } finally {
      delete process.env['BUILD_ARGS_TEST'];
    }
  });

  it.each([
    ['is not there', '/nowhere/at/all', /--build-arg-file \/nowhere\/at\/all cannot be read: ENOENT/],
    ['is a directory', '/', /EISDIR/],
  ])('is refused when it %s', (_what, path, message) => {
    expect(() => buildArgsOf({ buildArg: [], buildArgFile: [path] })).toThrow(message);
  });
});
