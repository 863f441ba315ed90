/** Every rung of the ladder tried for one machine: does it work, how fast, and if not, why. */
import { ArchBuildError } from '../errors.ts';
import { isHostRoot } from '../sys/identity.ts';
import type { Isolation } from '../sys/step-emulators.ts';
import type { Architecture } from './architecture.ts';
import { RUNGS, type EmulationRequest, type ForeignRung } from './emulation-request.ts';
import { stepEnvironment } from './environment.ts';
import { median } from './facts/platform-facts.ts';
import { probeRung } from './rung-probe.ts';
import { tryRung } from './rungs.ts';

export interface RungAnswer {
  readonly rung: ForeignRung;
  /** Undefined: not tried; `why` says why not. */
  readonly works: boolean | undefined;
  readonly why?: string;
  /** To make the namespaces of a step and run one small program in them, milliseconds. */
  readonly millisecondsPerStep?: number;
}

/** These change the table of the host for a moment: only tried where nothing else works. */
const CHANGES_HOST: ReadonlySet<ForeignRung> = new Set<ForeignRung>(['host']);

/** In the order of the ladder. What a trial makes is undone at once. Throws INTERRUPTED. */
export async function tryRungs(request: EmulationRequest, machine: Architecture): Promise<RungAnswer[]> {
  const answers: RungAnswer[] = [];
  for (const rung of RUNGS) {
    const settled = answers.some(({ works }) => works === true);
    if (CHANGES_HOST.has(rung) && (settled || !isHostRoot())) {
      const why = settled
        ? 'not tried: it would change the table of the host, and a better way works'
        : 'only the root of the host can register there';
      answers.push({ rung, works: settled ? undefined : false, why });
    } else answers.push(await tryOne(rung, request, machine));
  }
  return answers;
}

async function tryOne(
  rung: ForeignRung,
  request: EmulationRequest,
  machine: Architecture,
): Promise<RungAnswer> {
  try {
    const prepared = await tryRung(rung, request, [machine]);
    if (typeof prepared === 'string') return { rung, works: false, why: prepared };
    await using _registration = prepared.registration;
    return { rung, works: true, millisecondsPerStep: await measure(request, machine, prepared.isolation) };
  } catch (error) {
    if (!(error instanceof ArchBuildError) || error.code === 'INTERRUPTED') throw error;
    return { rung, works: false, why: error.message };
  }
}

const ROUNDS = 3;

async function measure(
  request: EmulationRequest,
  machine: Architecture,
  isolation: Isolation,
): Promise<number> {
  const { variables } = stepEnvironment(new Map(), machine, request.cpu);
  const environment = [...variables].map(([name, value]) => `${name}=${value}`);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const scratch = request.makeDirectory('probe');
    const start = performance.now();
    await probeRung(machine, { scratch, isolation, environment, signal: request.signal });
    times.push(performance.now() - start);
  }
  return median(times);
}
