/**
 * doctor: which platforms can be built here, on which rung, how fast, why not better. The checks explain the answers;
 * they are rows in ./checks, judged over facts that are gathered once.
 */
import type { Platform } from '../oci/platform.ts';
import { architectureByName } from './architecture.ts';
import { BINFMT_CHECKS } from './checks/binfmt.ts';
import { fixText, type Check, type CheckState, type Fix, type Finding } from './checks/check.ts';
import { EMULATOR_CHECKS } from './checks/emulator.ts';
import { KERNEL_CHECKS } from './checks/kernel.ts';
import { NAMESPACE_CHECKS } from './checks/namespaces.ts';
import { PROGRAM_CHECKS } from './checks/program.ts';
import { STEP_LIMIT_CHECKS } from './checks/step-limits.ts';
import { STORE_CHECKS } from './checks/store.ts';
import { SURROUNDING_CHECKS } from './checks/surroundings.ts';
import { TOOLBOX_CHECKS } from './checks/toolbox.ts';
import type { EmulationRequest } from './emulation-request.ts';
import { gatherFacts, type HostFacts, type RegistryFacts } from './facts/host-facts.ts';
import type { PlatformFacts } from './facts/platform-facts.ts';
import { tryRungs, type RungAnswer } from './rung-report.ts';

export interface DoctorOptions {
  /** How the user starts us: `arch-build`, with `--root` where that was said. */
  readonly program?: readonly string[];
  /** What the user wants to build; without it, the usual platforms are told about. */
  readonly platforms?: readonly Platform[];
  readonly storeDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `--emulator` */
  readonly emulators?: readonly string[];
  readonly registries?: readonly RegistryFacts[];
  /** Gives empty directories in which programs may be started; the caller removes them. */
  readonly makeDirectory: (prefix: string) => string;
  readonly signal: AbortSignal;
}

/** What `doctor --json` prints: names are never changed, only added. */
export interface DoctorReport {
  /** `fail` when something a build needs is missing: a wanted platform, or the means of every build. */
  readonly state: Exclude<CheckState, 'info'>;
  readonly platforms: readonly PlatformAnswer[];
  readonly checks: readonly CheckResult[];
}

export interface PlatformAnswer {
  readonly platform: string;
  readonly asked: boolean;
  readonly buildable: boolean;
  /** The way it was tried and works: `native`, or the best rung; undefined when none does. */
  readonly rung: string | undefined;
  /** Why better rungs (or none) were not to be had. */
  readonly reasons: readonly string[];
  /** What would make it better, or possible. */
  readonly improvements: readonly string[];
  readonly rungs: readonly RungAnswer[];
  readonly emulator: { readonly path: string; readonly version: string; readonly sha256: string } | undefined;
  /** To start and end one small program, milliseconds. */
  readonly millisecondsPerProgram: number | undefined;
}

export interface CheckResult extends Omit<Finding, 'fix'> {
  readonly id: string;
  readonly title: string;
  /** What to do, as people read it; made of `action`. */
  readonly fix?: string;
  readonly action?: Omit<Fix, 'note'>;
}

export const CHECKS: readonly Check[] = [
  ...KERNEL_CHECKS,
  ...NAMESPACE_CHECKS,
  ...SURROUNDING_CHECKS,
  ...BINFMT_CHECKS,
  ...EMULATOR_CHECKS,
  ...TOOLBOX_CHECKS,
  ...STEP_LIMIT_CHECKS,
  ...STORE_CHECKS,
  ...PROGRAM_CHECKS,
];

export interface Diagnosis {
  readonly report: DoctorReport;
  readonly facts: HostFacts;
}

/** Leaves the host as it was. Throws INTERRUPTED; else only for bugs. */
export async function runDoctor(options: DoctorOptions): Promise<Diagnosis> {
  const { program = ['arch-build'], platforms: asked = [] } = options;
  const platforms = asked.length > 0 ? asked : usualPlatforms();
  const facts = await gatherFacts({
    ...options,
    program,
    platforms: platforms.map((platform) => ({ platform, asked: asked.length > 0 })),
  });
  const answers: Answered[] = [];
  for (const platform of facts.platforms) answers.push(await answer(facts, platform, options));
  return { report: judge(facts, answers), facts };
}

/** @public of the tests */
export type Answered = Omit<PlatformAnswer, 'improvements'>;

/** The pure half: facts and answers to a report. */
export function judge(facts: HostFacts, answers: readonly Answered[]): DoctorReport {
  const rows = CHECKS.flatMap(({ id, title, rungs = [], run }) =>
    run(facts).map((finding) => ({ finding, rungs, result: resultOf(id, title, finding) })),
  );
  const archOf = new Map(facts.platforms.map((each) => [each.platform, each.architecture?.arch]));
  const platforms = answers.map((each) => ({
    ...each,
    improvements: improvements(rows, each, archOf.get(each.platform)),
  }));
  const emulates = answers.some(({ buildable, rung }) => buildable && rung !== 'native');
  const states = new Set(
    rows.map(({ finding: { state }, rungs }) =>
      state === 'fail' && rungs.length > 0 && emulates ? 'warn' : state,
    ),
  );
  const stuck = answers.some(({ asked, buildable }) => asked && !buildable);
  const state = stuck || states.has('fail') ? 'fail' : states.has('warn') ? 'warn' : 'ok';
  return { state, platforms, checks: rows.map(({ result }) => result) };
}

interface Row {
  readonly finding: Finding;
  readonly rungs: readonly string[];
  readonly result: CheckResult;
}

function resultOf(id: string, title: string, { fix, ...finding }: Finding): CheckResult {
  const common = { id, title, ...finding };
  if (fix === undefined) return common;
  const { note: _note, ...action } = fix;
  return { ...common, fix: fixText(fix), action };
}

/** The fixes of what stands in the way of this platform: of its emulator, of better rungs, and of everything. */
function improvements(
  rows: readonly Row[],
  { buildable, rung, rungs }: Answered,
  arch: string | undefined,
): string[] {
  if (rung === 'native') return [];
  const better = new Set<string>(
    rungs.slice(0, rungs.findIndex((each) => each.rung === rung) >>> 0).map((each) => each.rung),
  );
  const concerns = ({ finding, rungs: hindered }: Row): boolean => {
    if (finding.state === 'ok' || finding.state === 'info') return finding.arch === arch && !buildable;
    if (finding.arch !== undefined) return finding.arch === arch;
    return hindered.some((each) => better.has(each)) || (!buildable && finding.state === 'fail');
  };
  const fixes = rows.filter((row) => concerns(row)).flatMap(({ result }) => result.fix ?? []);
  return [...new Set(fixes)];
}

const USUAL = ['x86_64', 'i386', 'aarch64', 'arm', 'riscv64', 'ppc64le', 's390x', 'loongarch64', 'mips64el'];

function usualPlatforms(): Platform[] {
  return USUAL.flatMap((name) => architectureByName(name)?.platforms[0] ?? []);
}

async function answer(facts: HostFacts, platform: PlatformFacts, options: DoctorOptions): Promise<Answered> {
  const { architecture, asked, native, trial } = platform;
  const [best] = platform.emulators.usable;
  const common = {
    platform: platform.platform,
    asked,
    millisecondsPerProgram: trial?.milliseconds,
    emulator:
      best === undefined ? undefined : { path: best.path, version: best.version, sha256: best.sha256 },
  };
  if (native) return { ...common, buildable: true, rung: 'native', reasons: [], rungs: [] };
  const refused = { ...common, buildable: false, rung: undefined, rungs: [] };
  if (architecture === undefined)
    return { ...refused, reasons: ['no emulator runs programs of this platform'] };
  if (facts.sandboxHelper === undefined) return { ...refused, reasons: ['the sandbox helper is not built'] };
  const rungs = await tryRungs(requestOf(options, architecture.platforms.slice(0, 1)), architecture);
  const found = rungs.find(({ works }) => works === true);
  const worse = found === undefined ? rungs : rungs.slice(0, rungs.indexOf(found));
  const noEmulator = found === undefined && best === undefined; // the same on every rung: told once
  const reasons = noEmulator ? [rungs[0]?.why ?? ''] : groupReasons(worse);
  return { ...common, buildable: found !== undefined, rung: found?.rung, reasons, rungs };
}

/** What is the same on several rungs is told once. */
function groupReasons(rungs: readonly RungAnswer[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const { rung, why = '' } of rungs) byReason.set(why, [...(byReason.get(why) ?? []), rung]);
  return [...byReason].map(([why, names]) => `${names.join(', ')}: ${why}`);
}

function requestOf(options: DoctorOptions, platforms: readonly Platform[]): EmulationRequest {
  const { emulators, storeDirectory, environment, makeDirectory, signal } = options;
  return {
    platforms,
    isolation: 'auto',
    accelerate: 'off',
    emulator: emulators,
    cpu: undefined,
    storeDirectory,
    environment,
    makeDirectory,
    report: () => undefined,
    signal,
  };
}
