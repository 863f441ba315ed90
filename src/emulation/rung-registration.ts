/**
 * What is registered in a binfmt_misc table, and for kernels whose table cannot hold an emulator open (no `F`, before
 * Linux 4.8) the entry that names it by its path inside the step.
 */
import { ArchBuildError } from '../errors.ts';
import { innerPath, type InnerEmulator, type Isolation } from '../sys/step-emulators.ts';
import type { Architecture } from './architecture.ts';
import { FULL_FLAGS, type Registration } from './binfmt-entry.ts';
import type { Emulator } from './emulators.ts';
import { RegistrationRefusal } from './binfmt/refusal.ts';
import { entryNameOf, registerOnHost } from './host-registration.ts';

const FLAGS_WITHOUT_OPEN = FULL_FLAGS.replace('F', '');

export interface HostRegistration {
  readonly isolation: Isolation;
  readonly registration: AsyncDisposable;
}

type Register = (registrations: readonly Registration[]) => Promise<AsyncDisposable>;

/** One sentence of why not, when the table of the host refuses both. */
export async function registerBest(
  machines: readonly Architecture[],
  emulators: ReadonlyMap<string, Emulator>,
  register: Register = registerOnHost,
): Promise<HostRegistration | string> {
  const registrations = machines.flatMap((machine) => registrationOf(machine, emulators));
  const inner = machines.flatMap((machine) => innerEmulatorOf(machine, emulators) ?? []);
  try {
    try {
      return { isolation: { kind: 'host' }, registration: await register(registrations) };
    } catch (error) {
      if (!isRefusedAsInvalid(error)) throw error;
      const byPath = registrations.map((each, index) => withoutOpen(each, inner[index]));
      return { isolation: { kind: 'host', emulators: inner }, registration: await register(byPath) };
    }
  } catch (error) {
    if (error instanceof ArchBuildError && error.code === 'BINFMT') return error.message;
    throw error;
  }
}

/** The kernel says no more than that about a flag it does not know. */
const isRefusedAsInvalid = (error: unknown): boolean =>
  error instanceof RegistrationRefusal && error.errno === 'EINVAL';

function withoutOpen(registration: Registration, emulator: InnerEmulator | undefined): Registration {
  const interpreter = emulator === undefined ? registration.interpreter : innerPath(emulator.name);
  return { ...registration, interpreter, flags: FLAGS_WITHOUT_OPEN };
}

export function registrationOf(
  machine: Architecture,
  emulators: ReadonlyMap<string, Emulator>,
): Registration[] {
  const emulator = emulators.get(machine.arch);
  if (emulator === undefined) return [];
  const { magic, mask } = machine;
  return [{ name: entryNameOf(machine.arch), magic, mask, interpreter: emulator.path, flags: FULL_FLAGS }];
}

export function innerEmulatorOf(
  machine: Architecture,
  emulators: ReadonlyMap<string, Emulator>,
): InnerEmulator | undefined {
  const emulator = emulators.get(machine.arch);
  return emulator === undefined ? undefined : { name: `qemu-${machine.emulator}`, source: emulator.path };
}
