/**
 * The rehearsal of lines for the host's table. A mask that is too lax catches the host's own programs, and then nothing
 * can be started any more, not even what would remove the entry. So the same lines are registered in a throw-away user
 * namespace first (Linux 6.7), where programs of the host and of the machines have to run.
 */
import { ArchBuildError } from '../../errors.ts';
import type { Operation } from '../../sys/plan.ts';
import { runSandbox, SandboxRefusal } from '../../sys/sandbox.ts';
import { openTemporary } from '../../sys/temporary.ts';
import { ARCHITECTURES, hostArchitecture, type Architecture } from '../architecture.ts';
import { formatEntry, type Registration } from '../binfmt-entry.ts';
import { elfHeader, PROBE_STATUS, probeProgram } from '../probe.ts';
import { explainRefusal, probePlan, stageProbe } from '../rung-probe.ts';
import { catchesNative, machinesOf, matchOf } from './machines.ts';
import { RegistrationRefusal } from './refusal.ts';

/**
 * Throws BINFMT when a line would break native programs, or would not run those it is for; RegistrationRefusal when
 * the kernel does not take it. Where the kernel has no private tables only the masks are judged.
 */
export async function rehearse(registrations: readonly Registration[]): Promise<void> {
  const lines = registrations.map(formatEntry);
  await using temporary = openTemporary('arch-build-rehearsal');
  const stage = { scratch: temporary.directory, lines, registrations };
  for (const trial of trialsOf(registrations)) {
    const outcome = await attempt(trial.program, stage);
    if (outcome === 'impossible here') break;
    if (outcome !== undefined)
      throw new ArchBuildError('BINFMT', `${trial.what} in the rehearsal: ${outcome}`);
  }
  for (const registration of registrations) refuseNative(registration);
}

/** By the header alone, for kernels on which nothing can be rehearsed. Throws BINFMT. */
export function refuseNative(registration: Registration): void {
  if (!catchesNative(matchOf(registration))) return;
  throw new ArchBuildError(
    'BINFMT',
    `the line for ${registration.name} would catch programs of this host itself: its mask is too lax`,
  );
}

interface Trial {
  /** Begins the sentence that ends with what went wrong. */
  readonly what: string;
  readonly program: Buffer;
}

/** Foreign programs only for lines with F: without it the emulator would have to stand inside the empty root. */
function trialsOf(registrations: readonly Registration[]): Trial[] {
  const foreign = registrations.flatMap((registration) => {
    const caught = registration.flags.includes('F') ? machinesOf(matchOf(registration)) : [];
    return caught.filter(({ arch }) => arch !== hostArchitecture().arch);
  });
  return [
    ...nativePrograms(hostArchitecture()).map((program) => ({
      what: 'a program of this host does not run any more',
      program,
    })),
    ...ARCHITECTURES.filter((machine) => foreign.includes(machine)).flatMap((machine) => {
      const program = probeProgram(machine);
      return program === undefined ? [] : [{ what: `a program for ${machine.arch} does not run`, program }];
    }),
  ];
}

/** As a plain program, and as position independent ones of a static glibc are. */
function nativePrograms(host: Architecture): Buffer[] {
  const program = probeProgram(host);
  if (program === undefined) return [];
  const other = Buffer.from(program);
  elfHeader(host, { type: 3, osabi: 3 }).copy(other, 0, 0, TYPE_END);
  return [program, other];
}

const TYPE_END = 18; // e_ident and e_type
const TIMEOUT_MS = 10_000;

interface Stage {
  readonly scratch: string;
  readonly lines: readonly string[];
  readonly registrations: readonly Registration[];
}

async function attempt(program: Buffer, stage: Stage): Promise<string | undefined> {
  stageProbe(program, stage.scratch);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const isolation = { kind: 'private', entries: stage.lines } as const;
  const plan = probePlan({ scratch: stage.scratch, isolation, environment: [], signal });
  try {
    const outcome = await runSandbox(plan, { signal, onOutput: () => undefined });
    if (outcome.kind === 'signaled') return `it died of ${outcome.signal}`;
    return outcome.status === PROBE_STATUS ? undefined : `it exited with ${outcome.status}`;
  } catch (error) {
    if (signal.aborted) return `it did not end within ${TIMEOUT_MS / 1000} seconds`;
    if (error instanceof SandboxRefusal) return judge(error, stage);
    throw error;
  }
}

function judge(refusal: SandboxRefusal, { lines, registrations }: Stage): string {
  const { operation, errno } = refusal;
  if (operation?.op === 'write') {
    const registration = registrations[lines.indexOf(operation.text)];
    if (registration !== undefined) throw new RegistrationRefusal(registration, errno, refusal);
  }
  if (operation?.op === 'exec' && errno === 'ENOENT') return NO_LOADER;
  return operation === undefined || isPreparation(operation) ? 'impossible here' : explainRefusal(refusal);
}

const NO_LOADER = 'the emulator needs a loader (it is dynamically linked), which no foreign root has';

/** A kernel, or a container, that gives no user namespace or no binfmt_misc in it. */
const isPreparation = ({ op }: Operation): boolean => op !== 'write' && op !== 'exec';
