/** `--log-rusage`: what every step has used, and in the end the whole build. */
import type { Reporter, ResourceUsage, StepName } from '../events.ts';

export interface UsageReporter {
  readonly report: Reporter;
  /** Tells what all of it has used; to be called once, at the end. */
  end(): void;
}

/**
 * Of a RUN that is what its processes have used. COPY and ADD are this program's own work: theirs is what it has used
 * meanwhile, for whatever else it did at the same time, too.
 */
export function createUsageReporter(report: Reporter): UsageReporter {
  const begin = { usage: ownUsage(), time: performance.now() };
  const started = new Map<string, ResourceUsage>();
  const used = new Map<string, ResourceUsage>();
  let total: ResourceUsage = NOTHING;
  return {
    report: (event) => {
      if (event.type === 'step-usage') {
        used.set(keyOf(event.step), event.usage);
        total = sumOf(total, event.usage);
        return;
      }
      report(event);
      if (event.type === 'step-started') started.set(keyOf(event.step), ownUsage());
      if (event.type !== 'step-finished') return;
      const { step, milliseconds } = event;
      const own = since(started.get(keyOf(step)) ?? begin.usage);
      report({ type: 'usage', step, milliseconds, usage: used.get(keyOf(step)) ?? own });
    },
    end: () =>
      report({
        type: 'usage',
        usage: sumOf(total, since(begin.usage)),
        milliseconds: performance.now() - begin.time,
      }),
  };
}

const NOTHING: ResourceUsage = { userMs: 0, systemMs: 0, peakBytes: 0, readBytes: 0, writtenBytes: 0 };
const BLOCK_BYTES = 512;

function ownUsage(): ResourceUsage {
  const { userCPUTime, systemCPUTime, maxRSS, fsRead, fsWrite } = process.resourceUsage();
  return {
    userMs: userCPUTime / 1000,
    systemMs: systemCPUTime / 1000,
    peakBytes: maxRSS * 1024,
    readBytes: fsRead * BLOCK_BYTES,
    writtenBytes: fsWrite * BLOCK_BYTES,
  };
}

/** Of this program. */
function since(before: ResourceUsage): ResourceUsage {
  const now = ownUsage();
  return {
    userMs: now.userMs - before.userMs,
    systemMs: now.systemMs - before.systemMs,
    peakBytes: now.peakBytes,
    readBytes: now.readBytes - before.readBytes,
    writtenBytes: now.writtenBytes - before.writtenBytes,
  };
}

const sumOf = (one: ResourceUsage, other: ResourceUsage): ResourceUsage => ({
  userMs: one.userMs + other.userMs,
  systemMs: one.systemMs + other.systemMs,
  peakBytes: Math.max(one.peakBytes, other.peakBytes),
  readBytes: one.readBytes + other.readBytes,
  writtenBytes: one.writtenBytes + other.writtenBytes,
});

const keyOf = ({ platform, stage, index }: StepName): string => `${platform} ${stage} ${index}`;
