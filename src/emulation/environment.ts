/**
 * The environment of an emulated step. qemu-user takes its options from QEMU_* variables, so one of them set by the
 * image changes what runs: with QEMU_VERSION=1 every program "succeeds" without having run.
 */
import type { Architecture } from './architecture.ts';

export interface StepEnvironment {
  /** In the given order, ours last. */
  readonly variables: ReadonlyMap<string, string>;
  /** Names that were kept from the emulator: tell the user. */
  readonly held: readonly string[];
}

export interface EmulationSettings {
  /** The CPU model the user chose (`--emulator-cpu`), instead of the architecture's own. */
  readonly emulatorCpu?: string;
}

/** `architecture` undefined is a native step: nothing is held back and nothing is added. */
export function stepEnvironment(
  environment: ReadonlyMap<string, string>,
  architecture: Architecture | undefined,
  settings: EmulationSettings = {},
): StepEnvironment {
  if (architecture === undefined) return { variables: environment, held: [] };
  const variables = new Map([...environment].filter(([name]) => !steersEmulator(name)));
  const cpu = settings.emulatorCpu ?? architecture.cpu;
  if (cpu !== undefined) variables.set('QEMU_CPU', cpu);
  return { variables, held: [...environment.keys()].filter(steersEmulator) };
}

export const steersEmulator = (name: string): boolean => name.startsWith('QEMU_');
