/** Whatever the text is: instructions or an ArchBuildError with a place, and in linear time. */
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { formatDiagnostic } from '../../src/cli/diagnostic.ts';
import { ArchBuildError } from '../../src/errors.ts';
import { dumpAst } from '../../src/kubefile/dump.ts';
import type { Instruction, Kubefile } from '../../src/kubefile/instruction.ts';
import { lintKubefile } from '../../src/kubefile/lint/lint.ts';
import { parseKubefile, parseTrigger } from '../../src/kubefile/parse.ts';
import { selectStages } from '../../src/kubefile/select-stages.ts';
import { expandWord, expandWords } from '../../src/kubefile/expand.ts';

/** The Kubefile, or undefined after an error of the right kind. */
function parseOrRefuse(text: string): Kubefile | undefined {
  try {
    const kubefile = parseKubefile(text, { file: 'Kubefile' });
    selectStages(kubefile);
    return kubefile;
  } catch (error) {
    if (!(error instanceof ArchBuildError)) throw error;
    expect(error.location).toBeDefined();
    expect(formatDiagnostic(error)).toContain(`error[${error.code}] Kubefile:`);
    const { line, column } = error.location ?? { line: 0, column: 0 };
    expect(line).toBeGreaterThanOrEqual(1);
    expect(line).toBeLessThanOrEqual(Math.max(1, text.split('\n').length));
    expect(column).toBeGreaterThanOrEqual(1);
    expect(column).toBeLessThanOrEqual((error.location?.sourceLine ?? '').length + 1);
    return undefined;
  }
}

const all = ({ globalArgs, stages }: Kubefile): Instruction[] => [
  ...globalArgs,
  ...stages.flatMap(({ from, instructions }) => [from, ...instructions]),
];

const KEYWORDS = [
  'FROM',
  'RUN',
  'COPY',
  'ADD',
  'ENV',
  'LABEL',
  'ARG',
  'CMD',
  'ENTRYPOINT',
  'HEALTHCHECK',
  'ONBUILD',
].concat(['EXPOSE', 'VOLUME', 'USER', 'WORKDIR', 'SHELL', 'STOPSIGNAL', 'MAINTAINER', 'CNI', 'from', 'X']);
const PIECES = [
  'a',
  'b=c',
  '"',
  "'",
  '\\',
  '\\\n',
  '\n',
  '<<E',
  '<<-"E"',
  'E',
  '$x',
  '${x:-',
  '}',
  '[',
  '"a"',
  ',',
  ']',
  '#',
  '=',
  '\t',
  '\r\n',
].concat([
  '--from=0',
  '--link',
  '--mount=type=bind',
  '--x',
  'AS',
  'NONE',
  'CMD',
  'base',
  '\u00a0',
  '🚀',
  '\u0000',
  '`',
  '# escape=`\n',
]);
const token = fc.oneof(fc.constantFrom(...KEYWORDS), fc.constantFrom(...PIECES));
const grammar = fc
  .array(fc.tuple(token, fc.constantFrom(' ', '', '\n')), { maxLength: 40 })
  .map((parts) => `FROM base AS s\n${parts.map(([text, blank]) => text + blank).join('')}`);
const bytes = fc.uint8Array({ maxLength: 200 }).map((data) => Buffer.from(data).toString('utf8'));

/** For a campaign (test/bench/fuzz-kubefile.sh): so many times the inputs, others each time. */
const times = Number(process.env['FUZZ_TIMES'] ?? 1);
const runs = (count: number, seed: number): fc.Parameters<unknown> =>
  times === 1 ? { numRuns: count, seed } : { numRuns: count * times };
vi.setConfig({ testTimeout: 20_000 * times });

describe('no text', () => {
  it.each([
    ['of the grammar', grammar, 41],
    ['of any bytes', bytes, 42],
    ['of any bytes behind FROM', bytes.map((text) => `FROM a\n${text}`), 43],
    ['of any units', fc.string({ unit: 'binary', maxLength: 100 }), 44],
  ])('%s breaks the parser', (_, texts, seed) => {
    fc.assert(
      fc.property(texts, (text) => void parseOrRefuse(text)),
      runs(3000, seed),
    );
  });

  it.each([
    ['a dump', (text: string): unknown => dumpAst(text)],
    ['a trigger', (text: string): unknown => parseTrigger(text, 'base')],
    ['an expansion', (text: string): unknown => expandWords(text, new Map([['x', 'a b']]), { escape: '\\' })],
  ])('breaks %s', (_, run) => {
    fc.assert(
      fc.property(fc.oneof(grammar, bytes), (text) => {
        try {
          run(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ArchBuildError);
        }
      }),
      runs(1500, 45),
    );
  });
});

describe('what was read', () => {
  it('has ranges inside the text, in order, and is read the same again', () => {
    fc.assert(
      fc.property(grammar, (text) => {
        const kubefile = parseOrRefuse(text);
        if (kubefile === undefined) return;
        const starts = all(kubefile).map(({ range }) => range.start.line);
        expect(starts).toEqual(starts.toSorted((a, b) => a - b));
        for (const { range, keyword } of all(kubefile)) {
          const line = text.split('\n')[range.start.line - 1]?.slice(range.start.column - 1) ?? '';
          // A keyword may itself be continued on the next line.
          if (!line.includes('\\')) expect(line.toUpperCase().startsWith(keyword)).toBe(true);
        }
        expect(parseKubefile(text, { file: 'Kubefile' })).toEqual(kubefile);
      }),
      runs(2000, 46),
    );
  });
});

/** Every rule, and every finding within the text. */
function lintWithin(kubefile: Kubefile): void {
  const platforms = [
    { name: 'linux/arm64', architecture: 'arm64', args: new Map([['TARGETARCH', 'arm64']]) },
  ];
  const buildArgs = { BUILDKIT_DOCKERFILE_CHECK: 'experimental=all' };
  const { findings } = lintKubefile(kubefile, { buildArgs, platforms, purpose: 'check' });
  const lines = kubefile.text.replace(/^\ufeff/, '').split('\n');
  const outside = findings.filter(({ position: { line, column } }) => {
    const length = lines[line - 1]?.length ?? -1;
    return column < 1 || column > length + 1;
  });
  expect(outside).toEqual([]);
}

describe('a check', () => {
  it.each([
    ['of the grammar', grammar, 50],
    ['of any bytes behind FROM', bytes.map((text) => `FROM a\n${text}`), 51],
  ])('never breaks on text %s, and its findings are within it', (_, texts, seed) => {
    fc.assert(
      fc.property(texts, fc.constantFrom('Kubefile', 'Dockerfile'), (text, file) => {
        let kubefile: Kubefile;
        try {
          kubefile = parseKubefile(text, { file });
        } catch {
          return; // the parser has a property of its own
        }
        lintWithin(kubefile);
      }),
      runs(2000, seed),
    );
  });
});

describe('a large text', () => {
  const limit = 10_000;
  it.each<[string, string]>([
    ['100,000 instructions', `FROM a\n${'RUN x\n'.repeat(1e5)}`],
    ['100,000 names', `FROM a\nENV ${'a=b '.repeat(1e4)}\n${'ENV a=$b c="d e"\n'.repeat(1e5)}`],
    ['100,000 continuations', `FROM a\nRUN x${' \\\n y'.repeat(1e5)}`],
    ['100,000 empty continuations', `FROM a\nRUN x \\\n${'\n'.repeat(1e5)}`],
    ['100,000 flags', `FROM a\nRUN ${'--mount=a \\\n'.repeat(1e5)} x`],
    ['100,000 sources', `FROM a\nCOPY ${'x \\\n'.repeat(1e5)} y`],
    ['100,000 here-documents', `FROM a\n${'RUN <<A\nx\nA\n'.repeat(1e5)}`],
    ['10,000 here-documents of one line', `FROM a\nRUN ${'<<A '.repeat(1e4)}\n${'A\n'.repeat(1e4)}`],
    ['lines of 64 KiB', `FROM a\n${`RUN ${'"x '.repeat(20_000)}\n`.repeat(20)}`],
    ['an array of 64 KiB', `FROM a\nCMD [${'['.repeat(60_000)}`],
    ['100,000 comments', `${'# x\n'.repeat(1e5)}FROM a`],
    ['nested expansions', `ARG A=${'${A:-'.repeat(12_000)}\nFROM $A`],
  ])('of %s takes linear time', (_, text) => {
    const start = performance.now();
    parseOrRefuse(text);
    expect(performance.now() - start).toBeLessThan(limit);
  });
});

describe('a check of a large text', () => {
  it.each<[string, string]>([
    ['10,000 instructions', `FROM a\n${'RUN "$x"\n'.repeat(1e4)}`],
    ['10,000 names', `FROM a\n${'ENV a=$b c="d e"\n'.repeat(1e4)}`],
    ['10,000 legacy forms', `FROM a\n${'ENV a b\n'.repeat(1e4)}`],
    ['10,000 sources', `FROM a\nCOPY ${'x \\\n'.repeat(1e4)} y`],
    ['1,000 stages', 'FROM a AS x\nCOPY --from=y . .\n'.repeat(1e3)],
  ])('of %s ends', (_, text) => {
    const start = performance.now();
    lintWithin(parseKubefile(text, { file: 'Dockerfile' }));
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe('what is written', () => {
  const value = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => !/[\n\r]/.test(text));
  const name = fc.stringMatching(/^[a-z_][a-z0-9_]{0,5}$/);
  const singleQuoted = (text: string): string => `'${text.replaceAll("'", `'"'"'`)}'`;
  const expand = (text: string): string => expandWord(text, new Map(), { escape: '\\' });
  const only = (line: string): Instruction | undefined =>
    parseKubefile(`FROM base\n${line}\n`, { file: 'Dockerfile' }).stages[0]?.instructions[0];

  it('comes back: quoted values', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 5 }), (pairs) => {
        const instruction = only(
          `ENV ${pairs.map(([key, text]) => `${key}=${singleQuoted(text)}`).join(' \\\n  ')}`,
        );
        if (instruction?.keyword !== 'ENV') throw new Error('no ENV');
        expect(instruction.pairs.map(({ key, value: text }) => [key, expand(text)])).toEqual(pairs);
      }),
      runs(500, 47),
    );
  });

  it('comes back: JSON words', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 12 }), { maxLength: 5 }), (words) => {
        expect(only(`CMD ${JSON.stringify(words)}`)).toMatchObject({ command: { form: 'exec', words } });
      }),
      runs(500, 48),
    );
  });

  it('comes back: bodies of here-documents', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 6 }), fc.boolean(), (lines, quoted) => {
        const body = lines
          .filter((line) => line !== 'E')
          .map((line) => `${line}\n`)
          .join('');
        expect(only(`RUN <<${quoted ? '"E"' : 'E'}\n${body}E`)).toMatchObject({
          heredocs: [{ name: 'E', body, expand: !quoted }],
        });
      }),
      runs(500, 49),
    );
  });
});
