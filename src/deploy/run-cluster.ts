/**
 * Carries the plan of a cluster out, phase by phase, on many hosts at once. What an earlier run of the same plan has
 * done is not done again. When a host fails, the others finish the phase, and the next run goes on from there.
 */
import { PHASES, type ClusterPlan, type HostPlan, type HostStep, type Phase } from '../cluster/host-plan.ts';
import { ArchBuildError } from '../errors.ts';
import type { Reporter, StepName } from '../events.ts';
import type { PlatformImage } from '../store/image-details.ts';
import type { Store } from '../store/store.ts';
import type { Ssh } from '../sys/ssh.ts';
import { mapConcurrently } from '../transfer/concurrency.ts';
import { readState, runStep, stepKey, type HostState, type RunRemote } from './remote-steps.ts';

export interface ClusterRun {
  readonly store: Store;
  readonly report: Reporter;
  readonly signal: AbortSignal;
  readonly ssh: Ssh;
  readonly platforms: readonly PlatformImage[];
  /** Hosts at once. */
  readonly jobs: number;
  /** What is done is done again. */
  readonly force: boolean;
}

interface HostRun {
  readonly address: string;
  readonly host: HostPlan;
  readonly state: HostState;
}

/** Throws REMOTE naming every host that failed, with its step and the last of its output. */
export async function runCluster(run: ClusterRun, plan: ClusterPlan): Promise<void> {
  const hosts = await onAll(run, plan.hosts, async (host) => {
    const { address } = host;
    const state = await readState(host, remote(run, address));
    return { address, host, state: run.force ? { ...state, done: new Set<string>() } : state };
  });
  for (const phase of PHASES) await onAll(run, hosts, (host) => runPhase(run, plan, { ...host, phase }));
}

/** Everything of one phase on one host, in order. */
async function runPhase(
  run: ClusterRun,
  plan: ClusterPlan,
  { host, state, phase }: HostRun & { readonly phase: Phase },
): Promise<void> {
  const { length: total } = host.steps;
  for (const [index, step] of host.steps.entries()) {
    if (step.phase !== phase) continue;
    const name = { platform: host.address, stage: host.role, index: index + 1, total };
    const key = stepKey(plan, index);
    const always = step.action === 'run' && step.always === true;
    if (state.done.has(key) && !always) run.report({ type: 'step-cached', step: name, text: step.text });
    else await runOne(run, plan, { host, state, step, name, key });
  }
}

interface Running {
  readonly host: HostPlan;
  readonly state: HostState;
  readonly step: HostStep;
  readonly name: StepName;
  readonly key: string;
}

async function runOne(
  run: ClusterRun,
  plan: ClusterPlan,
  { host, state, step, name, key }: Running,
): Promise<void> {
  const { store, report, platforms } = run;
  const started = performance.now();
  report({ type: 'step-started', step: name, text: step.text });
  const tell = (text: string): void =>
    report({ type: 'step-output', step: name, stream: 'stdout', data: Buffer.from(`${text}\n`) });
  try {
    const ask = remote(run, host.address);
    const show = remote(run, host.address, name);
    const context = { store, platforms, plan, host, tree: state.tree, tell, ask, run: show };
    await runStep(context, step, key);
    report({
      type: 'step-finished',
      step: name,
      milliseconds: performance.now() - started,
      layerBytes: undefined,
    });
  } catch (error) {
    report({ type: 'step-failed', step: name });
    throw atStep(error, step);
  }
}

function atStep(error: unknown, step: HostStep): unknown {
  if (!(error instanceof ArchBuildError) || error.code === 'INTERRUPTED') return error;
  const details = {
    items: error.items,
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  };
  return new ArchBuildError(error.code, `${step.text}: ${error.message}`, details);
}

/** With a name, what the host says is shown under it. */
function remote({ ssh, signal, report }: ClusterRun, address: string, name?: StepName): RunRemote {
  const show =
    name === undefined
      ? {}
      : {
          onOutput: (stream: 'stdout' | 'stderr', data: Buffer): void =>
            report({ type: 'step-output', step: name, stream, data }),
        };
  return (script, input) =>
    ssh.run(address, script, { signal, ...show, ...(input === undefined ? {} : { input }) });
}

/** All of them, whatever happens to one; then the failures together. */
async function onAll<Item extends { readonly address: string }, Result>(
  { jobs, signal }: Pick<ClusterRun, 'jobs' | 'signal'>,
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const failures: Failure[] = [];
  const results = await mapConcurrently(items, jobs, async (item) => {
    try {
      return [await work(item)];
    } catch (error) {
      if (!(error instanceof ArchBuildError) || error.code === 'INTERRUPTED') throw error;
      failures.push({ address: item.address, error });
      return [];
    }
  });
  if (signal.aborted) throw new ArchBuildError('INTERRUPTED', 'interrupted');
  if (failures.length > 0) throw failed(failures, items.length);
  return results.flat();
}

interface Failure {
  readonly address: string;
  readonly error: ArchBuildError;
}

function failed(failures: readonly Failure[], total: number): ArchBuildError {
  const hint = failures.find(({ error }) => error.hint !== undefined)?.error.hint;
  return new ArchBuildError('REMOTE', `${failures.length} of ${total} hosts failed`, {
    items: failures.flatMap(({ address, error }) => [
      `${address}: ${error.message}`,
      ...error.items.map((line) => `  ${line}`),
    ]),
    hint: hint ?? 'run the same command again: what is done is not done again',
  });
}
