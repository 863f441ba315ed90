/** Progress as lines: whole ones, one prefix each, and nothing of a step that could steer the reader's terminal. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createReporter, formatBytes, type ProgressMode } from '../../src/cli/reporter.ts';
import type { BuildEvent, StepName } from '../../src/events.ts';

const step: StepName = { platform: 'linux/arm64', stage: 'app', index: 2, total: 5 };
const PREFIX = '[linux/arm64 app 2/5]';

function linesOf(mode: ProgressMode, events: readonly BuildEvent[], debug = false): string {
  let text = '';
  const report = createReporter(mode, { debug, write: (piece) => void (text += piece) });
  for (const event of events) report(event);
  return text.replace(/\u001b\[\d+m/g, '');
}

const output = (data: string | Buffer, stream: 'stdout' | 'stderr' = 'stdout'): BuildEvent => ({
  type: 'step-output',
  step,
  stream,
  data: Buffer.from(data),
});
const finished: BuildEvent = { type: 'step-finished', step, milliseconds: 1234, layerBytes: 2_500_000 };

const shown = (...data: readonly (string | Buffer)[]): string[] =>
  linesOf('plain', [...data.map((piece) => output(piece)), finished])
    .trimEnd()
    .split('\n')
    .slice(0, -1)
    .map((line) => line.replace(`${PREFIX} `, ''));

describe('the lines of a step', () => {
  it.each<[string, (string | Buffer)[], string[]]>([
    ['whole lines', ['a\nb\n'], ['a', 'b']],
    ['a line in pieces', ['he', 'l', 'lo\n'], ['hello']],
    ['a last line without its end', ['a\nrest'], ['a', 'rest']],
    ['empty lines', ['\n\nx\n'], ['', '', 'x']],
    ['carriage returns: the last wins', ['10%\r50%\r100%\n'], ['100%']],
    ['carriage returns of a DOS file', ['a\r\nb\r\n'], ['a', 'b']],
    ['a carriage return in pieces', ['10%\r', '20%', '\r\n'], ['20%']],
    ['UTF-8 in pieces', [Buffer.from([0xc3]), Buffer.from([0xbc, 0x0a])], ['ü']],
    ['bytes that are no text', [Buffer.from([0xff, 0x41, 0x0a])], ['\ufffdA']],
    ['colours', ['\u001b[1;31mred\u001b[0m\n'], ['\u001b[1;31mred\u001b[0m'.replace(/\u001b\[\d+m/g, '')]],
    ['a cleared screen', ['\u001b[2J\u001b[Hx\n'], ['x']],
    ['a moved cursor', ['a\u001b[10Ab\u001b[3;4Hc\u001b[Kd\n'], ['abcd']],
    ['a title', ['\u001b]0;title\u0007x\n'], ['x']],
    ['a title ended the other way', ['\u001b]2;title\u001b\\x\n'], ['x']],
    ['a hyperlink', ['\u001b]8;;http://e/\u001b\\t\u001b]8;;\u001b\\\n'], ['t']],
    ['another character set', ['\u001b(0x\u001b(B\n'], ['x']],
    ['a reset', ['\u001bcx\n'], ['x']],
    ['bells, backspaces and tabs', ['a\u0007\b\tb\n'], ['a\tb']],
    ['C1 controls', ['a\u009b2Jb\u0085c\n'], ['abc']],
    ['delete', ['a\u007fb\n'], ['ab']],
    ['a private mode', ['\u001b[?1049hx\u001b[?25l\n'], ['x']],
    ['a mode with blanks and signs', ['\u001b[2 q\u001b[>4;2mx\u001b[!p\n'], ['x']],
    ['a device control string', ['\u001bPq#0;2;0\u001b\\x\n'], ['x']],
    ['a sequence that is cut off', ['x\u001b[', '31\n'], ['x']],
  ])('show %s', (_what, pieces, expected) => {
    expect(shown(...pieces)).toEqual(expected);
  });

  it('show the last line of a step that fails, with and without its end', () => {
    const failed: BuildEvent = { type: 'step-failed', step };
    expect(linesOf('plain', [output('why\nnot'), failed])).toBe(`${PREFIX} why\n${PREFIX} not\n`);
    expect(linesOf('plain', [output('why\n'), failed, failed])).toBe(`${PREFIX} why\n`);
  });

  it('never contain a control but tab and colour, whatever the step prints', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '\u001b',
        '[',
        ']',
        '2J',
        ';',
        '\u009b',
        '\r',
        '\b',
        '\u0007',
        'm',
        '?',
        '\u001b[',
        '\u001b]0;',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        let text = '';
        const report = createReporter('plain', { debug: false, write: (line) => void (text += line) });
        for (const data of pieces) report(output(data));
        report(finished);
        expect(text.replace(/\u001b\[[\d;]*m/g, '')).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
        for (const line of text.trimEnd().split('\n')) expect(line).toContain(PREFIX);
      }),
      { numRuns: 500 },
    );
  });

  it('keep the streams apart and flush both at the end', () => {
    const text = linesOf('plain', [
      output('out', 'stdout'),
      output('err', 'stderr'),
      output('put\n', 'stdout'),
      finished,
    ]);
    expect(text).toBe(`${PREFIX} output\n${PREFIX} err\n${PREFIX} done in 1.23s, layer 2.5 MB\n`);
  });

  it('end their colours with the line', () => {
    let text = '';
    const report = createReporter('plain', { debug: false, write: (piece) => void (text += piece) });
    report(output('\u001b[1;31mred\nplain\n'));
    expect(text).toMatch(/\u001b\[1;31mred\u001b\[0m\n/);
    expect(text.trimEnd().endsWith('plain')).toBe(true);
  });

  it('without an end are shown in pieces, so that they fill no memory', () => {
    const lines = shown(...Array.from({ length: 40 }, () => 'x'.repeat(10_000)));
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.join('')).toBe('x'.repeat(400_000));
  });

  it('of one step are not flushed by another whose number begins the same', () => {
    const other = { ...step, index: 20, total: 50 };
    const events: BuildEvent[] = [
      { type: 'step-output', step: other, stream: 'stdout', data: Buffer.from('partial') },
      finished,
    ];
    expect(linesOf('plain', events)).not.toContain('partial');
  });
});

describe('the events', () => {
  const usage = { userMs: 1, systemMs: 2000, peakBytes: 3e6, readBytes: 0, writtenBytes: 4096 };
  const events: BuildEvent[] = [
    { type: 'stage-started', platform: 'linux/arm64', stage: 'app', text: 'FROM a' },
    { type: 'step-started', step, text: 'RUN a\n  b' },
    { type: 'step-usage', step, usage },
    { type: 'usage', step, usage, milliseconds: 5000 },
    { type: 'step-cached', step, text: 'RUN c' },
    { type: 'info', text: 'note' },
    { type: 'transfer', what: 'layer', digest: `sha256:${'a'.repeat(64)}`, bytes: 1, total: 2 },
    { type: 'transfer', what: 'layer', digest: `sha256:${'a'.repeat(64)}`, bytes: 2, total: 2 },
    { type: 'warning', text: 'careful', location: { file: 'Kubefile', line: 1, column: 2 } },
    { type: 'debug', text: 'detail' },
  ];

  it('are one line each, debug only when asked for', () => {
    const lines = [
      '[linux/arm64 app] FROM a',
      `${PREFIX} RUN a …`,
      `${PREFIX} 2.00s(system) 0.00s(user) 5.00s(elapsed) 0 B input 4.1 kB output, 3.0 MB peak`,
      `${PREFIX} cached RUN c`,
      'note',
      'layer sha256:aaaaaaaaaaaa 2 B',
      'warning: Kubefile:1:2: careful',
    ];
    expect(linesOf('plain', events).trimEnd().split('\n')).toEqual(lines);
    expect(linesOf('plain', events, true).trimEnd().split('\n')).toEqual([...lines, 'detail']);
  });

  it.each<BuildEvent>([
    { type: 'stage-started', platform: 'p', stage: 's', text: 'FROM \u001b[2J\u0007x' },
    { type: 'step-started', step, text: 'RUN \u001b[2J\u0007x' },
    { type: 'step-cached', step, text: 'RUN \u001b]0;t\u0007x' },
    { type: 'info', text: '\u009b2Jx' },
    { type: 'warning', text: 'a\rx' },
    { type: 'debug', text: '\u001b[1Ax' },
  ])('carry no controls of what the user wrote: $type', (event) => {
    expect(linesOf('plain', [event], true)).toMatch(/^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f]*x\n$/);
  });

  it('are warnings alone with quiet', () => {
    expect(linesOf('quiet', [...events, output('x\n'), finished])).toBe('warning: Kubefile:1:2: careful\n');
  });

  it('are JSON lines with json', () => {
    const lines = linesOf('json', [...events, output('x\n')])
      .trimEnd()
      .split('\n');
    const parsed = lines.map((line) => JSON.parse(line) as { type: string; time: string });
    expect(parsed.map(({ type }) => type)).toEqual([
      'stage-started',
      'step-started',
      'step-usage',
      'usage',
      'step-cached',
      'info',
      'transfer',
      'transfer',
      'warning',
      'step-output',
    ]);
    expect(parsed.at(-1)).toMatchObject({ data: 'x\n', stream: 'stdout', step });
  });
});

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [2_500_000, '2.5 MB'],
  [123_456_789, '123 MB'],
  [5e15, '5000 TB'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
