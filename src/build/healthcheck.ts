/** HEALTHCHECK: the instruction's words to the config's nanoseconds. */
import { ArchBuildError } from '../errors.ts';
import type { HealthcheckInstruction } from '../kubefile/instruction.ts';
import type { Healthcheck } from '../oci/image-config.ts';

/** Throws KUBEFILE_SEMANTICS for a duration or number that is none. */
export function healthcheckOf(instruction: HealthcheckInstruction): Healthcheck {
  const { command } = instruction;
  if (command === 'NONE') return { Test: ['NONE'] };
  const Test = command.form === 'exec' ? ['CMD', ...command.words] : ['CMD-SHELL', command.text];
  return {
    Test,
    ...duration('Interval', instruction.interval),
    ...duration('Timeout', instruction.timeout),
    ...duration('StartPeriod', instruction.startPeriod),
    ...duration('StartInterval', instruction.startInterval),
    ...retries(instruction.retries),
  };
}

type DurationKey = 'Interval' | 'Timeout' | 'StartPeriod' | 'StartInterval';

function duration(key: DurationKey, text: string | undefined): Partial<Record<DurationKey, number>> {
  if (text === undefined) return {};
  const nanoseconds = parseDuration(text);
  if (nanoseconds === 0) return {};
  if (nanoseconds < 1_000_000) {
    throw new ArchBuildError('KUBEFILE_SEMANTICS', `${key} ${JSON.stringify(text)} is less than 1ms`);
  }
  return { [key]: nanoseconds };
}

function retries(text: string | undefined): { Retries?: number } {
  if (text === undefined) return {};
  if (!/^\d{1,9}$/.test(text)) {
    throw new ArchBuildError('KUBEFILE_SEMANTICS', `--retries=${text} is not a number`, {
      hint: 'write a whole number, 0 for the default',
    });
  }
  return Number(text) === 0 ? {} : { Retries: Number(text) };
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Go's time.ParseDuration for non-negative values: `1h30m`, `1.5s`; nanoseconds. */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/gy)];
  const covered = parts.map(([part]) => part).join('') === text && parts.length > 0;
  if (text === '0') return 0;
  const nanoseconds = parts.reduce(
    (sum, [, number, unit]) => sum + Number(number) * (UNITS[unit ?? ''] ?? 0),
    0,
  );
  if (covered && nanoseconds <= Number.MAX_SAFE_INTEGER) return Math.round(nanoseconds);
  throw new ArchBuildError('KUBEFILE_SEMANTICS', `not a duration: ${JSON.stringify(text)}`, {
    hint: 'write a number and a unit: 30s, 1m30s, 500ms',
  });
}
