/** A CPU model that our emulator does not know: no rung would help. */
import { ArchBuildError } from '../errors.ts';
import type { Architecture } from './architecture.ts';
import type { Choices } from './emulator-choice.ts';
import type { Emulator } from './emulators.ts';
import { cpuOf } from './environment.ts';
import { UNKNOWN_CPU } from './failures.ts';

/** `failure` is what became of a probe. Throws EMULATOR_UNUSABLE when the reason is the model. */
export function refuseUnknownCpu(
  failure: string,
  { path, version }: Emulator,
  { machine, choices = [] }: { readonly machine: Architecture; readonly choices: Choices | undefined },
): void {
  if (!UNKNOWN_CPU.test(failure)) return;
  const { arch, emulator } = machine;
  const model = cpuOf(machine, choices);
  const list = `\`${path} -cpu help\` lists them; ${arch}=MODEL is about ${arch} alone`;
  const isOurs = model === cpuOf(machine);
  throw new ArchBuildError(
    'EMULATOR_UNUSABLE',
    `qemu-${emulator} ${version} does not know the CPU model ${JSON.stringify(model)}`,
    {
      hint: isOurs
        ? `run \`arch-build emulators fetch ${emulator}\` for a newer one, or name a model with --emulator-cpu (${list})`
        : `choose another --emulator-cpu (${list}), or another --emulator`,
    },
  );
}
