/** `arch-build run`: streams, terminal and signals for a program of an image. */
import { platformsInStore } from '../../build/base-image.ts';
import { BaseImages } from '../../build/base-images.ts';
import { NativeTwins } from '../../build/native-twins.ts';
import { parseVolume, runImage, type RunOptions } from '../../build/run-image.ts';
import { shellStatusOf } from '../../build/shell-status.ts';
import { hostPlatform } from '../../emulation/host.ts';
import { openEmulation } from '../../emulation/ladder.ts';
import { ArchBuildError } from '../../errors.ts';
import { chooseByPlatform } from '../../oci/platform-choice.ts';
import { formatPlatform, platformOfConfig, type Platform } from '../../oci/platform.ts';
import type { Store } from '../../store/store.ts';
import { SandboxRefusal, type Outcome } from '../../sys/sandbox.ts';
import { openUmask } from '../../sys/umask.ts';
import { accelerationOf } from '../acceleration.ts';
import { platformNamed } from '../architectures.ts';
import { printError } from '../explain.ts';
import type { RunFlags } from '../flags.ts';
import { refuseContradiction, reporterFor, storeFor, type Globals } from '../globals.ts';
import { groupSettingsOf } from '../group-settings.ts';
import { onTerminal } from '../on-terminal.ts';
import { variablesOf } from '../pairs.ts';
import { requireRoot } from '../require-root.ts';
import { securityOf } from '../security-options.ts';

interface Wanted {
  readonly image: string;
  readonly command: readonly string[];
}

/** Returns the program's own status, 128 + n for one that died of signal n. */
export async function run(globals: Globals, wanted: Wanted, flags: RunFlags): Promise<number> {
  refuseContradiction(globals, flags);
  requireRoot(globals);
  using _umask = openUmask();
  await using store = await storeFor(globals);
  const job = {
    store,
    report: reporterFor(globals, globals.debug ? 'plain' : 'quiet'),
    signal: globals.signal,
  };
  const platform = choosePlatform(store, wanted.image, flags);
  const bases = new BaseImages(job, { ...flags, offline: globals.offline, reach: 'machine' });
  const image = await bases.get(wanted.image, platform);
  const accelerate = accelerationOf(flags);
  const twins = new NativeTwins(job, bases, { accelerate });
  await using emulation = openEmulation({
    platforms: [platformOfConfig(image.config)],
    isolation: flags.isolation,
    emulator: flags.emulator,
    cpu: flags.emulatorCpu,
    accelerate,
    storeDirectory: store.layout.root,
    environment: process.env,
    makeDirectory: (prefix) => store.makeDirectory(prefix),
    report: job.report,
    signal: globals.signal,
  });
  const start = (streams: RunOptions['streams']): Promise<Outcome> => {
    const options = optionsOf(wanted, flags, { ...streams, onStart: (pass) => passSignals(globals, pass) });
    return runImage({ ...job, signal: NEVER }, image, { emulation, twins, options });
  };
  const interactive = flags.interactive === true;
  try {
    const started =
      flags.tty === true
        ? onTerminal(start, { interactive, output: process.stdout })
        : start({ stdin: interactive ? 'inherit' : null });
    return shellStatusOf(await started);
  } catch (error) {
    const status = statusOfRefusal(error);
    if (status === undefined) throw error;
    printError(error);
    return status;
  }
}

/** The program decides what a signal means to it; a second one ends us, and it with us. */
const NEVER = new AbortController().signal;

function passSignals({ signal }: Globals, pass: (name: NodeJS.Signals) => void): void {
  const onAbort = (): void => pass(signal.reason as NodeJS.Signals);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
}

function optionsOf({ command }: Wanted, flags: RunFlags, streams: RunOptions['streams']): RunOptions {
  return {
    command,
    entrypoint:
      flags.entrypoint === undefined ? undefined : flags.entrypoint.split(' ').filter((word) => word !== ''),
    env: new Map(Object.entries(variablesOf('-e', flags.env))),
    user: flags.user,
    workdir: flags.workdir,
    volumes: flags.volume.map(parseVolume),
    network: flags.network,
    group: groupSettingsOf(flags),
    ...securityOf(flags.securityOpt),
    terminal: flags.tty === true,
    streams,
  };
}

/** Asked for; else the host's, when the image has it; else the only one there is. */
function choosePlatform(store: Store, name: string, { platform }: RunFlags): Platform {
  if (platform !== undefined) return platformNamed(platform);
  const host = hostPlatform();
  const root = store.images.find(name)?.root;
  if (root === undefined) return host;
  const there = platformsInStore(store, root);
  const best = chooseByPlatform(host, there, { platformOf: (each) => each });
  if (best !== undefined) return best;
  const [only] = there;
  if (only !== undefined && there.length === 1) return only;
  throw new ArchBuildError(
    'USAGE',
    `${name} has several platforms: ${there.map(formatPlatform).join(', ')}`,
    {
      hint: 'choose one with --platform',
    },
  );
}

/** As shells have it: 127 for a program that is not there, 126 for one that cannot be run. */
function statusOfRefusal(error: unknown): number | undefined {
  const refusal = error instanceof ArchBuildError ? error.cause : undefined;
  if (!(refusal instanceof SandboxRefusal) || refusal.operation?.op !== 'exec') return undefined;
  return refusal.errno === 'ENOENT' ? 127 : 126;
}
