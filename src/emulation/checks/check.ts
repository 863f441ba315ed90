/** A diagnostic is one row: what it looks at, and how it judges the facts. Pure: the facts are gathered before. */
import type { HostFacts } from '../facts/host-facts.ts';

export type CheckState = 'ok' | 'warn' | 'fail' | 'info';

export interface Finding {
  readonly state: CheckState;
  /** What is true here. */
  readonly found: string;
  /** Why it matters; for everything that is not in order. */
  readonly why?: string;
  /** What to do about it. */
  readonly fix?: string;
}

export interface Check {
  readonly id: string;
  readonly title: string;
  /** Empty when it does not apply here. */
  readonly run: (facts: HostFacts) => readonly Finding[];
}

export const ok = (found: string): Finding[] => [{ state: 'ok', found }];
export const info = (found: string): Finding[] => [{ state: 'info', found }];

/** When private tables work, the host's table does not matter to builds: its faults are only worth knowing. */
export const hostTableState = ({ trials }: HostFacts): 'info' | 'warn' =>
  trials.privateBinfmt.works === true ? 'info' : 'warn';
