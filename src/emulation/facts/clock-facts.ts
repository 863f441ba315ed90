/** Whether the clock can be right: it cannot be behind files that are already there. */
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface ClockFacts {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** The time of our own program's files, which were there before: the clock cannot be behind it. */
  readonly program: number;
}

export function clockFacts(): ClockFacts {
  return { now: Date.now(), program: timeOf(fileURLToPath(import.meta.url)) };
}

function timeOf(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}
