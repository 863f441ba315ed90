import { describe, expect, it } from 'vitest';
import { advice, commandText, fixText, inShell, safely, writing } from '../../src/emulation/checks/check.ts';
import { CHECKS, judge, type Answered } from '../../src/emulation/doctor.ts';
import { healthy } from './healthy-facts.ts';
import type { HostFacts } from '../../src/emulation/facts/host-facts.ts';

describe('the checks', () => {
  it('have nothing to complain about on a host in order', () => {
    const report = judge(healthy, []);
    expect(report.checks.filter(({ state }) => state !== 'ok')).toEqual([]);
    expect(report.state).toBe('ok');
  });

  it('have names of their own', () => {
    expect(new Set(CHECKS.map(({ id }) => id)).size).toBe(CHECKS.length);
    expect(CHECKS.length).toBeGreaterThanOrEqual(30);
  });
});

describe('a fix', () => {
  it('is said in the words of its commands', () => {
    expect(fixText(safely(['mount', '-t', 'proc', 'proc', '/proc']))).toBe('mount -t proc proc /proc');
    expect(fixText(safely(['a'], ['b', 'c d']))).toBe("a && b 'c d'");
    expect(fixText(safely(writing('1', '/proc/sys/x')))).toBe('echo 1 > /proc/sys/x');
    expect(fixText(inShell(['ulimit', '-n', '9'], 'or so'))).toBe('ulimit -n 9 (or so)');
    expect(fixText(advice('think'))).toBe('think');
    expect(commandText(["it's"])).toBe(String.raw`'it'\''s'`);
  });

  it('is in the report as text and as what to run', () => {
    const { checks } = judge(
      { ...healthy, surroundings: { ...healthy.surroundings, procMounted: false } },
      [],
    );
    expect(checks.find(({ id }) => id === 'proc')).toMatchObject({
      fix: 'mount -t proc proc /proc',
      action: { commands: [['mount', '-t', 'proc', 'proc', '/proc']], by: 'doctor', needsRoot: true },
    });
  });
});

const noTable: HostFacts = { ...healthy, features: new Map([['binfmt_misc', 'module']]) };

describe('the verdict', () => {
  const answer = (change: Partial<Answered>): Answered => ({
    platform: 'linux/arm64',
    asked: true,
    buildable: true,
    rung: 'private',
    reasons: [],
    rungs: [{ rung: 'private', works: true }],
    emulator: undefined,
    millisecondsPerProgram: 12,
    ...change,
  });

  it.each([
    ['ok', healthy, answer({})],
    ['fail', healthy, answer({ buildable: false })],
    ['ok', healthy, answer({ buildable: false, asked: false })],
    [
      'warn',
      { ...healthy, trials: { ...healthy.trials, privateBinfmt: { works: false, words: 'no' } } },
      answer({}),
    ],
    ['warn', noTable, answer({})],
    ['fail', noTable, answer({ rung: 'native' })],
    ['fail', { ...healthy, sandboxHelper: undefined }, answer({})],
  ] as const)('is %s', (state, facts, platform) => {
    expect(judge(facts, [platform]).state).toBe(state);
  });
});

describe('what would make it better', () => {
  const noPrivate: HostFacts = {
    ...healthy,
    kernel: '6.1.0',
    trials: { ...healthy.trials, privateBinfmt: { works: false, words: 'no' } },
  };
  const base: Answered = {
    platform: 'linux/arm64',
    asked: true,
    buildable: true,
    rung: 'host',
    reasons: [],
    rungs: [
      { rung: 'private', works: false },
      { rung: 'host', works: true },
    ],
    emulator: undefined,
    millisecondsPerProgram: 12,
  };

  it('is what stands in the way of better rungs', () => {
    expect(judge(noPrivate, [base]).platforms[0]?.improvements).toEqual([
      'a kernel from Linux 6.7 on (this is 6.1.0)',
    ]);
  });

  it('is nothing for the best rung and for native programs', () => {
    const best = { ...base, rung: 'private' };
    expect(judge(noPrivate, [best]).platforms[0]?.improvements).toEqual([]);
    expect(judge(noPrivate, [{ ...base, rung: 'native' }]).platforms[0]?.improvements).toEqual([]);
  });

  it('is the emulator of the machine itself, not that of others', () => {
    const [arm64] = healthy.platforms;
    const missing = { ...arm64!, emulators: { usable: [], rejected: [] }, trial: undefined };
    const refused: Answered = { ...base, buildable: false, rung: undefined, rungs: [] };
    const { platforms } = judge({ ...healthy, platforms: [missing] }, [
      refused,
      { ...refused, platform: 'linux/s390x' },
    ]);
    expect(platforms[0]?.improvements[0]).toMatch(/^arch-build emulators fetch aarch64/);
    expect(platforms[1]?.improvements).toEqual([]);
  });
});
