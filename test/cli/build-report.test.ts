/** Where a build tells what it does: --logfile, --logsplit, --log-rusage. */
import { readFileSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openBuildReport, type ReportFlags } from '../../src/cli/build-report.ts';
import type { BuildEvent, StepName } from '../../src/events.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';

const on = (platform: string): StepName => ({ platform, stage: '0', index: 1, total: 2 });
const USED = { userMs: 250, systemMs: 30, peakBytes: 2_000_000, readBytes: 4096, writtenBytes: 1_000_000 };
const [ARM, AMD] = ['linux/arm64', 'linux/amd64'] as const;

const EVENTS: readonly BuildEvent[] = [
  { type: 'info', text: 'note' },
  { type: 'stage-started', platform: ARM, stage: '0', text: 'FROM \u001b[31malpine' },
  { type: 'stage-started', platform: AMD, stage: '0', text: 'FROM alpine' },
  { type: 'step-started', step: on(ARM), text: 'RUN x' },
  { type: 'step-usage', step: on(ARM), usage: USED },
  { type: 'step-finished', step: on(ARM), milliseconds: 1500, layerBytes: 10 },
  { type: 'step-started', step: on(AMD), text: 'COPY . .' },
  { type: 'step-finished', step: on(AMD), milliseconds: 20, layerBytes: undefined },
  { type: 'warning', text: 'careful' },
];

let scratch: Scratch;
let stderr: string;

beforeEach(async () => {
  scratch = await openScratch('report');
  stderr = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await scratch[Symbol.asyncDispose]();
});

function tell(flags: Partial<ReportFlags>): void {
  using log = openBuildReport({ debug: false }, { progress: 'plain', ...flags }, [ARM, AMD]);
  for (const event of EVENTS) log.report(event);
}

const read = (name: string): string[] => readFileSync(scratch.path(name), 'utf8').trimEnd().split('\n');

const ARM_LINES = [
  '[linux/arm64 0] FROM alpine',
  '[linux/arm64 0 1/2] RUN x',
  '[linux/arm64 0 1/2] done in 1.50s, layer 10 B',
];
const AMD_LINES = [
  '[linux/amd64 0] FROM alpine',
  '[linux/amd64 0 1/2] COPY . .',
  '[linux/amd64 0 1/2] done in 0.02s',
];

describe('--logfile', () => {
  it('takes all but the warnings away from standard error, and has no colours', () => {
    tell({ logfile: scratch.path('log') });
    expect(read('log')).toHaveLength(8);
    expect(read('log')).toEqual(expect.arrayContaining(['note', ...ARM_LINES, ...AMD_LINES]));
    expect([stderr.replace(/\u001b\[\d+m/g, ''), read('log').at(-1)]).toEqual([
      'warning: careful\n',
      'warning: careful',
    ]);
    tell({ logfile: scratch.path('log'), progress: 'json' });
    expect(read('log').map((line) => (JSON.parse(line) as BuildEvent).type)).toEqual(
      EVENTS.map(({ type }) => type),
    );
  });

  it('is one for each platform with --logsplit', () => {
    tell({ logfile: scratch.path('log'), logsplit: true });
    expect(readdirSync(scratch.path('.')).sort()).toEqual(['log_linux_amd64', 'log_linux_arm64']);
    expect(read('log_linux_arm64')).toEqual(['note', ...ARM_LINES, 'warning: careful']);
    expect(read('log_linux_amd64')).toEqual(['note', ...AMD_LINES, 'warning: careful']);
  });

  it.each<[Partial<ReportFlags>, string]>([
    [{ logsplit: true }, 'USAGE'],
    [{ rusageLogfile: 'x' }, 'USAGE'],
    [{ logfile: '/nowhere/at/all' }, 'IO'],
  ])('refuses %o', (flags, code) => {
    expect(() => tell(flags)).toThrow(expect.objectContaining({ code }));
  });
});

describe('--log-rusage', () => {
  const LINE =
    /^\[(?:build|\S+ \S+ \d+\/\d+)\] [\d.]+s\(system\) [\d.]+s\(user\) [\d.]+s\(elapsed\) [\d.]+ k?M?B input [\d.]+ k?M?B output, [\d.]+ MB peak$/;

  it('says what the processes of a RUN have used, what we have meanwhile of a COPY, and the sum', () => {
    tell({ logRusage: true, rusageLogfile: scratch.path('usage') });
    const lines = read('usage');
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line).toMatch(LINE);
    expect(lines[0]).toBe(
      '[linux/arm64 0 1/2] 0.03s(system) 0.25s(user) 1.50s(elapsed) 4.1 kB input 1.0 MB output, 2.0 MB peak',
    );
    expect(lines[1]).toMatch(/^\[linux\/amd64 0 1\/2\] .* 0\.02s\(elapsed\) /);
    const [, user = ''] = /^\[build\] \S+\(system\) (\S+)s\(user\)/.exec(lines[2] ?? '') ?? [];
    expect(Number(user)).toBeGreaterThanOrEqual(0.25);
    expect(stderr).not.toContain('(user)');
  });

  it('says it among the other lines without a file of its own', () => {
    tell({ logRusage: true, logfile: scratch.path('log'), logsplit: true });
    expect(read('log_linux_arm64').filter((line) => LINE.test(line))).toHaveLength(2);
    tell({ logRusage: true, progress: 'json' });
    const types = stderr.split('\n').flatMap((line) => /"type":"([a-z-]+)"/.exec(line)?.[1] ?? []);
    expect(types.filter((type) => type.endsWith('usage'))).toEqual(['usage', 'usage', 'usage']);
  });
});
