/** The emulators of the wanted platforms. */
import { asRoot, ourselves, type Check, type Finding, type Fix } from './check.ts';
import type { Architecture } from '../architecture.ts';
import type { Emulator } from '../emulators.ts';
import type { HostFacts } from '../facts/host-facts.ts';
import type { PlatformFacts } from '../facts/platform-facts.ts';

export const EMULATOR_CHECKS: readonly Check[] = [
  {
    id: 'emulator',
    title: 'emulators',
    run: emulatorRows,
  },
  {
    id: 'emulator-rejected',
    title: 'emulators that cannot be used',
    run: (facts) => emulated(facts).flatMap((each) => rejectedFindings(facts, each)),
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

/** What nobody asked for is one line, however much of it is missing. */
function emulatorRows(facts: HostFacts): Finding[] {
  const all = emulated(facts);
  const missing = all.filter(({ asked, emulators }) => !asked && emulators.usable.length === 0);
  const rest = all.filter((each) => !missing.includes(each));
  const rows = rest.flatMap((each) => emulatorFindings(facts, each));
  if (missing.length === 0) return rows;
  const found = `none for ${missing.map(({ architecture }) => architecture.arch).join(', ')}`;
  const targets = [...new Set(missing.map(({ architecture }) => architecture.emulator))];
  const fix = ourselves(facts, ['emulators', 'fetch', ...targets], OFFLINE);
  if (rest.length > 0) return [...rows, { state: 'info', found, fix }];
  return [{ state: 'warn', found, why: 'nothing foreign can be built before one of them is there', fix }];
}

const OFFLINE = 'where there is no network: arch-build emulators import FILE';

function emulatorFindings(facts: HostFacts, { architecture, emulators, trial }: Foreign): Finding[] {
  const { arch } = architecture;
  const [best] = emulators.usable;
  const fix = fetching(facts, architecture);
  if (best === undefined) {
    const found = `${arch}: none`;
    return [{ state: 'fail', arch, found, why: 'nothing can run programs of this machine', fix }];
  }
  const found = `${arch}: ${best.path} (qemu ${best.version}, ${best.source})`;
  if (trial?.works === false) {
    return [{ state: 'fail', arch, found, why: `it does not run the probe program: ${trial.words}`, fix }];
  }
  const faults = [...versionFaults(best, fix), ...layoutFaults(facts, { trial, fix })];
  return faults.length === 0
    ? [{ state: 'ok', arch, found }]
    : faults.map((fault) => ({ state: 'warn', arch, found, ...fault }));
}

const fetching = (facts: HostFacts, { emulator }: Architecture): Fix =>
  ourselves(facts, ['emulators', 'fetch', emulator], OFFLINE);

function rejectedFindings(facts: HostFacts, { architecture, emulators, asked }: Foreign): Finding[] {
  const state = asked && emulators.usable.length === 0 ? 'fail' : 'info';
  return emulators.rejected.map(({ path, why }): Finding => {
    const common = { state, arch: architecture.arch, found: path, why: `it ${why}` } as const;
    const fix = rejectedFix(facts, path) ?? fetching(facts, architecture);
    return state === 'fail' ? { ...common, fix } : common;
  });
}

/** A fault of the place, not of the file: the file stays, and what is wrong around it goes. */
function rejectedFix({ emulatorPlaces }: HostFacts, path: string): Fix | undefined {
  const place = emulatorPlaces.get(path);
  if (place?.noexec !== undefined) return asRoot([['mount', '-o', 'remount,bind,exec', place.noexec]]);
  if (place?.executable === false)
    return { commands: [['chmod', '+x', path]], by: 'person', needsRoot: false, note: '' };
  return undefined;
}

type Fault = Pick<Finding, 'why' | 'fix'>;

/** Known faults: `from` inclusive, `before` exclusive. */
const VERSION_FAULTS: readonly { readonly from: number; readonly before: number; readonly why: string }[] = [
  { from: 0, before: 5, why: 'ldconfig crashes with glibc from 2.31 on (fixed in qemu 5.0)' },
  { from: 5, before: 6, why: 'reserving memory for 32-bit programs often goes wrong (fixed in qemu 6.0)' },
  { from: 6, before: 7, why: 'system calls of newer distributions are missing' },
];

function versionFaults({ version }: Emulator, fix: Fix): Fault[] {
  const major = Number.parseInt(version, 10);
  const known = VERSION_FAULTS.filter(({ from, before }) => major >= from && major < before);
  return known.map(({ why }) => ({ why, fix }));
}

interface Layout {
  readonly trial: PlatformFacts['trial'];
  readonly fix: Fix;
}

/** Without randomisation of the heap nothing gets in its way. */
function layoutFaults({ sysctls }: HostFacts, { trial, fix }: Layout): Fault[] {
  if (trial === undefined || trial.positionIndependent) return [];
  if (sysctls.get('kernel.randomize_va_space') === '0') return [];
  const why =
    'it is loaded at a fixed address: where the kernel randomises the heap (kernel.randomize_va_space) it may crash now and then';
  return [{ why, fix: { ...fix, note: 'a static-pie build; or start arch-build under setarch -R' } }];
}
