/** How a shell says that a program has ended. */
import { constants } from 'node:os';
import type { Outcome } from '../sys/sandbox.ts';

/** The program's own status, 128 + n for one that died of signal n. */
export function shellStatusOf(outcome: Outcome): number {
  if (outcome.kind === 'exited') return outcome.status;
  const signals: Readonly<Record<string, number>> = constants.signals;
  return 128 + (signals[outcome.signal] ?? 0);
}
