/** The emulators of the wanted platforms. */
import { ok, type Check, type Finding } from './check.ts';
import type { Architecture } from '../architecture.ts';
import type { Emulator } from '../emulators.ts';
import type { HostFacts } from '../facts/host-facts.ts';
import type { PlatformFacts } from '../facts/platform-facts.ts';

export const EMULATOR_CHECKS: readonly Check[] = [
  { id: 'emulator', title: 'emulators', run: (facts) => emulated(facts).flatMap(emulatorFindings) },
  {
    id: 'emulator-rejected',
    title: 'emulators that cannot be used',
    run: (facts) => emulated(facts).flatMap(rejectedFindings),
  },
];

interface Foreign extends PlatformFacts {
  readonly architecture: Architecture;
}

/** One per machine: arm/v6 and arm/v7 share their emulator. */
function emulated({ platforms }: HostFacts): Foreign[] {
  const foreign = platforms.filter(
    (each): each is Foreign => !each.native && each.architecture !== undefined,
  );
  return [...new Map(foreign.map((each) => [each.architecture.arch, each])).values()];
}

function emulatorFindings({ architecture, emulators, asked, trial }: Foreign): Finding[] {
  const { arch, emulator: target } = architecture;
  const [best] = emulators.usable;
  if (best === undefined) {
    const fix = `arch-build emulators fetch ${target} (offline: import FILE)`;
    const found = `${arch}: none`;
    return asked
      ? [{ state: 'fail', found, why: 'nothing can run programs of this machine', fix }]
      : [{ state: 'info', found, fix }];
  }
  const found = `${arch}: ${best.path} (qemu ${best.version}, ${best.source})`;
  if (trial?.works === false) {
    const fix = `arch-build emulators fetch ${target}`;
    return [{ state: 'fail', found, why: `it does not run the probe program: ${trial.words}`, fix }];
  }
  const faults = [...versionFaults(best), ...layoutFaults(trial)];
  return faults.length === 0 ? ok(found) : faults.map((fault) => ({ state: 'warn', found, ...fault }));
}

function rejectedFindings({ emulators, asked }: Foreign): Finding[] {
  const state = asked && emulators.usable.length === 0 ? 'fail' : 'info';
  return emulators.rejected.map(({ path, why }) => ({ state, found: path, why: `it ${why}` }));
}

type Fault = Pick<Finding, 'why' | 'fix'>;

/** Known faults: `from` inclusive, `before` exclusive. */
const VERSION_FAULTS: readonly { readonly from: number; readonly before: number; readonly why: string }[] = [
  { from: 0, before: 5, why: 'ldconfig crashes with glibc from 2.31 on (fixed in qemu 5.0)' },
  { from: 5, before: 6, why: 'reserving memory for 32-bit programs often goes wrong (fixed in qemu 6.0)' },
  { from: 6, before: 7, why: 'system calls of newer distributions are missing' },
];

function versionFaults({ version }: Emulator): Fault[] {
  const major = Number.parseInt(version, 10);
  const known = VERSION_FAULTS.filter(({ from, before }) => major >= from && major < before);
  return known.map(({ why }) => ({ why, fix: 'arch-build emulators fetch' }));
}

function layoutFaults(trial: PlatformFacts['trial']): Fault[] {
  if (trial === undefined || trial.positionIndependent) return [];
  const why =
    'it is loaded at a fixed address: where the kernel randomises the heap it may crash now and then';
  return [{ why, fix: 'take a static-pie build (arch-build emulators fetch)' }];
}
