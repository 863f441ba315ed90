/**
 * The environment of an emulated step. qemu-user takes its options from QEMU_* variables, so one of them set by the
 * image changes what runs: with QEMU_VERSION=1 every program "succeeds" without having run.
 */
import type { Architecture } from './architecture.ts';
import { chosenCpu, type Choices } from './emulator-choice.ts';

export interface StepEnvironment {
  /** In the given order, ours last. */
  readonly variables: ReadonlyMap<string, string>;
  /** Names that were kept from the emulator: tell the user. */
  readonly held: readonly string[];
}

/** The CPU model of the machine's steps; undefined leaves it to qemu. */
export const cpuOf = (architecture: Architecture, choices: Choices = []): string | undefined =>
  chosenCpu(choices, architecture) ?? architecture.cpu;

/**
 * `architecture` undefined is a native step: nothing is held back and nothing is added. `cpus` are the words of
 * `--emulator-cpu`, which count instead of the architecture's own model.
 */
export function stepEnvironment(
  environment: ReadonlyMap<string, string>,
  architecture: Architecture | undefined,
  cpus: Choices = [],
): StepEnvironment {
  if (architecture === undefined) return { variables: environment, held: [] };
  const variables = new Map([...environment].filter(([name]) => !steersEmulator(name)));
  const cpu = cpuOf(architecture, cpus);
  if (cpu !== undefined) variables.set('QEMU_CPU', cpu);
  return { variables, held: [...environment.keys()].filter(steersEmulator) };
}

export const steersEmulator = (name: string): boolean => name.startsWith('QEMU_');
