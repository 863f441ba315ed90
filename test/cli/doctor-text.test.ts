import { describe, expect, it } from 'vitest';
import { formatDoctor, formatFixes } from '../../src/cli/doctor-text.ts';
import type { DoctorReport, PlatformAnswer } from '../../src/emulation/doctor.ts';

const answer = (change: Partial<PlatformAnswer>): PlatformAnswer => ({
  platform: 'linux/arm64',
  asked: true,
  buildable: true,
  rung: 'private',
  reasons: [],
  improvements: [],
  rungs: [{ rung: 'private', works: true, millisecondsPerStep: 15.7 }],
  emulator: { path: '/q/qemu-aarch64', version: '7.2.22', sha256: 'ab' },
  millisecondsPerProgram: 11.6,
  ...change,
});

const report: DoctorReport = {
  state: 'fail',
  platforms: [
    answer({}),
    answer({
      platform: 'linux/amd64',
      rung: 'native',
      emulator: undefined,
      millisecondsPerProgram: undefined,
    }),
    answer({
      platform: 'linux/arm/v7',
      rung: 'host',
      reasons: ['private: permission denied'],
      improvements: ['a newer kernel'],
    }),
    answer({
      platform: 'linux/s390x',
      buildable: false,
      rung: undefined,
      reasons: ['no emulator for s390x'],
      improvements: ['fetch it'],
    }),
    answer({
      platform: 'linux/386',
      buildable: false,
      asked: false,
      rung: undefined,
      reasons: ['no emulator for i386'],
    }),
  ],
  checks: [
    { id: 'machine', title: 'machine and kernel', state: 'ok', found: 'x86_64, Linux 6.12' },
    {
      id: 'store',
      title: 'store',
      state: 'fail',
      found: '/s is not writable',
      why: 'nothing can be stored',
      fix: 'use --root',
    },
    { id: 'x', title: 'x', state: 'warn', found: 'odd', why: 'because' },
    { id: 'y', title: 'y', state: 'info', found: 'so' },
  ],
};

describe('the report of doctor as text', () => {
  it('answers first, and then explains', () => {
    expect(formatDoctor(report, { color: false })).toBe(`Platforms
  ✓ linux/arm64   emulated (private), qemu 7.2.22, about 12 ms per program, 16 ms per step
  ✓ linux/amd64   native
  ✓ linux/arm/v7  emulated (host), qemu 7.2.22, about 12 ms per program
      not private: permission denied
      better: a newer kernel
  ✗ linux/s390x   no emulator for s390x
      needs: fetch it
  · linux/386     no emulator for i386

Checks
  ✓ machine and kernel: x86_64, Linux 6.12
  ✗ store: /s is not writable
      nothing can be stored
      fix: use --root
  ! x: odd
      because
  · y: so

Something is missing; see the lines marked ✗ and their fix.
`);
  });

  it('has the same words in colour', () => {
    const coloured = formatDoctor(report, { color: true });
    expect(coloured).toContain('\u001b[31m✗\u001b[39m');
    expect(coloured.replaceAll(/\u001b\[\d+m/g, '')).toBe(formatDoctor(report, { color: false }));
  });

  it('has a summary for each verdict', () => {
    const last = (state: DoctorReport['state']): string | undefined =>
      formatDoctor({ state, platforms: [], checks: [] }, { color: false }).trimEnd().split('\n').at(-1);
    expect(new Set((['ok', 'warn', 'fail'] as const).map(last)).size).toBe(3);
  });
});

describe('what --fix did', () => {
  it('is one line each, with what went wrong', () => {
    const text = formatFixes(
      [
        { id: 'a', state: 'done', what: 'modprobe overlay' },
        { id: 'b', state: 'failed', what: 'mount x', words: 'no\nway' },
        { id: 'c', state: 'needs you', what: 'set the clock' },
      ],
      { color: false },
    );
    expect(text).toBe(
      'Fixes\n  ✓ done: modprobe overlay\n  ✗ failed: mount x\n      no\n      way\n  ! needs you: set the clock\n\n',
    );
    expect(formatFixes([], { color: false })).toBe('Fixes\n  nothing to do\n\n');
  });
});
