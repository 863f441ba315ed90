/**
 * doctor: which platforms can be built here, on which rung, how fast, why not better. The checks explain the answers;
 * they are rows in ./checks, judged over facts that are gathered once.
 */
import type { Platform } from '../oci/platform.ts';
import { architectureByName, type Architecture } from './architecture.ts';
import { effectiveEntry } from './binfmt-state.ts';
import { BINFMT_CHECKS } from './checks/binfmt.ts';
import type { Check, CheckState, Finding } from './checks/check.ts';
import { EMULATOR_CHECKS } from './checks/emulator.ts';
import { KERNEL_CHECKS } from './checks/kernel.ts';
import { PROGRAM_CHECKS } from './checks/program.ts';
import { STORE_CHECKS } from './checks/store.ts';
import { gatherFacts, type HostFacts } from './facts/host-facts.ts';
import type { PlatformFacts } from './facts/platform-facts.ts';
import { elfHeader } from './probe.ts';

export interface DoctorOptions {
  /** What the user wants to build; without it, the usual platforms are told about. */
  readonly platforms?: readonly Platform[];
  readonly storeDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `--emulator` */
  readonly emulators?: readonly string[];
  /** Tries the ladder with a real sandbox. Without it the rung is foretold from the facts. */
  readonly probeRung?: (architecture: Architecture) => Promise<RungReport>;
}

export interface RungReport {
  /** Undefined when no rung works. */
  readonly rung: string | undefined;
  /** Why better rungs (or none) were not to be had. */
  readonly reasons: readonly string[];
}

export interface PlatformAnswer extends RungReport {
  readonly platform: string;
  readonly asked: boolean;
  readonly buildable: boolean;
  /** The rung was tried, not foretold. */
  readonly proved: boolean;
  readonly emulator: { readonly path: string; readonly version: string; readonly sha256: string } | undefined;
  /** To start and end one small program, milliseconds. */
  readonly millisecondsPerProgram: number | undefined;
}

export interface CheckResult extends Finding {
  readonly id: string;
  readonly title: string;
}

export interface DoctorReport {
  /** `fail` when something a build needs is missing: a wanted platform, or the means of every build. */
  readonly state: Exclude<CheckState, 'info'>;
  readonly platforms: readonly PlatformAnswer[];
  readonly checks: readonly CheckResult[];
}

export const CHECKS: readonly Check[] = [
  ...KERNEL_CHECKS,
  ...BINFMT_CHECKS,
  ...EMULATOR_CHECKS,
  ...STORE_CHECKS,
  ...PROGRAM_CHECKS,
];

/** Changes nothing on the host. Throws only for bugs. */
export async function runDoctor(options: DoctorOptions): Promise<DoctorReport> {
  const asked = options.platforms ?? [];
  const platforms = asked.length > 0 ? asked : usualPlatforms();
  const facts = await gatherFacts({
    ...options,
    platforms: platforms.map((platform) => ({ platform, asked: asked.length > 0 })),
  });
  const answers: PlatformAnswer[] = [];
  for (const platform of facts.platforms) answers.push(await answer(facts, platform, options));
  return judge(facts, answers);
}

/** The pure half: facts and answers to a report. */
export function judge(facts: HostFacts, platforms: readonly PlatformAnswer[]): DoctorReport {
  const checks = CHECKS.flatMap(({ id, title, run }) =>
    run(facts).map((finding) => ({ id, title, ...finding })),
  );
  const states = new Set(checks.map(({ state }) => state));
  const stuck = platforms.some(({ asked, buildable }) => asked && !buildable);
  return {
    state: stuck || states.has('fail') ? 'fail' : states.has('warn') ? 'warn' : 'ok',
    platforms,
    checks,
  };
}

/** What a build would do without trying it; the order is that of the ladder. */
export function foretell(facts: HostFacts, architecture: Architecture): RungReport {
  const { trials, user, binfmt, sandboxHelper } = facts;
  const reasons: string[] = [];
  if (sandboxHelper === undefined) return { rung: undefined, reasons: ['the sandbox helper is not built'] };
  if (trials.privateBinfmt.works === true) return { rung: 'private', reasons };
  reasons.push(`private: ${trials.privateBinfmt.words}`);
  if (effectiveEntry(binfmt, elfHeader(architecture)) !== undefined) return { rung: 'host-entry', reasons };
  reasons.push('host-entry: the host has none');
  if (user.uid === 0 && facts.fileSystems.has('binfmt_misc')) return { rung: 'host', reasons };
  return { rung: undefined, reasons: [...reasons, 'host: only root can register there'] };
}

const USUAL = ['x86_64', 'i386', 'aarch64', 'arm', 'riscv64', 'ppc64le', 's390x', 'loongarch64', 'mips64el'];

function usualPlatforms(): Platform[] {
  return USUAL.flatMap((name) => architectureByName(name)?.platforms[0] ?? []);
}

async function answer(
  facts: HostFacts,
  platform: PlatformFacts,
  options: DoctorOptions,
): Promise<PlatformAnswer> {
  const { architecture, asked, native, trial } = platform;
  const [best] = platform.emulators.usable;
  const common = { platform: platform.platform, asked, millisecondsPerProgram: trial?.milliseconds };
  const emulator =
    best === undefined ? undefined : { path: best.path, version: best.version, sha256: best.sha256 };
  if (native) {
    return { ...common, buildable: true, proved: true, rung: 'native', reasons: [], emulator };
  }
  const report = await rungOf(facts, architecture, { best: emulator, probeRung: options.probeRung });
  const proved = options.probeRung !== undefined;
  return { ...common, buildable: report.rung !== undefined, proved, ...report, emulator };
}

interface RungQuestion {
  readonly best: unknown;
  readonly probeRung: DoctorOptions['probeRung'];
}

async function rungOf(
  facts: HostFacts,
  architecture: Architecture | undefined,
  { best, probeRung }: RungQuestion,
): Promise<RungReport> {
  if (architecture === undefined)
    return { rung: undefined, reasons: ['no emulator runs programs of this platform'] };
  if (probeRung !== undefined) return probeRung(architecture);
  if (best === undefined) return { rung: undefined, reasons: [`no emulator for ${architecture.arch}`] };
  return foretell(facts, architecture);
}
