/** What a build asks of the emulation ladder, and the rungs it may be given. */
import type { Reporter } from '../events.ts';
import type { Platform } from '../oci/platform.ts';
import type { Choices } from './emulator-choice.ts';

/** Explained in ladder.ts, best first. */
export const RUNGS = ['private', 'host-entry', 'host', 'prefix'] as const;
export type ForeignRung = (typeof RUNGS)[number];

/** `native` needs nothing. */
export type Rung = 'native' | ForeignRung;

/** `--isolation`: the rungs a build may take. */
export const ISOLATION_CHOICES = ['auto', 'private', 'host', 'prefix'] as const;
export type IsolationChoice = (typeof ISOLATION_CHOICES)[number];

/** `--accelerate`: programs that have a native twin are started as that one: never, where it can be done, or else fail. */
export const ACCELERATION_CHOICES = ['off', 'auto', 'on'] as const;
export type Acceleration = (typeof ACCELERATION_CHOICES)[number];

export interface EmulationRequest {
  /** Every platform the build makes: after the first foreign step, all of them can run. */
  readonly platforms: readonly Platform[];
  readonly isolation: IsolationChoice;
  /** `--emulator` */
  readonly emulator: Choices | undefined;
  /** `--emulator-cpu` */
  readonly cpu: Choices | undefined;
  readonly accelerate: Acceleration;
  /** Versions that are not to be taken any more, by machine. */
  readonly crashed?: ReadonlyMap<string, ReadonlySet<string>>;
  /** Root of the store: emulators are kept there. */
  readonly storeDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Gives empty directories that the caller cleans up. */
  readonly makeDirectory: (prefix: string) => string;
  readonly report: Reporter;
  readonly signal: AbortSignal;
}
