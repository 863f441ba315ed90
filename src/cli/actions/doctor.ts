/** `doctor`: the checks, with every rung tried for real in a sandbox. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Architecture } from '../../emulation/architecture.ts';
import { runDoctor, type RungReport } from '../../emulation/doctor.ts';
import type { EmulationRequest } from '../../emulation/emulation-request.ts';
import { openEmulation } from '../../emulation/ladder.ts';
import { ArchBuildError } from '../../errors.ts';
import { printJson } from '../answer.ts';
import { platformNamed } from '../architectures.ts';
import { onStdout } from '../colours.ts';
import { formatDoctor } from '../doctor-text.ts';
import { HOST_INCAPABLE } from '../explain.ts';
import type { DoctorFlags } from '../flags.ts';
import type { Globals } from '../globals.ts';

/** Returns 3 when something a build needs is missing. */
export async function doctor(globals: Globals, flags: DoctorFlags): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'arch-build-doctor-'));
  try {
    const report = await runDoctor({
      platforms: flags.platform.map(platformNamed),
      storeDirectory: globals.root,
      environment: process.env,
      emulators: flags.emulator,
      probeRung: (architecture) => probe(globals, flags, { architecture, directory }),
    });
    if (flags.json === true) printJson(report);
    else process.stdout.write(formatDoctor(report, { color: onStdout.level > 0 }));
    return report.state === 'fail' ? HOST_INCAPABLE : 0;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Climbs the ladder as a build would; a registration it needs on the way is taken back at once. */
async function probe(
  globals: Globals,
  { emulator }: DoctorFlags,
  { architecture, directory }: { readonly architecture: Architecture; readonly directory: string },
): Promise<RungReport> {
  const [platform] = architecture.platforms;
  if (platform === undefined) return { rung: undefined, reasons: ['no OCI platform has this machine'] };
  const request: EmulationRequest = {
    platforms: [platform],
    isolation: 'private',
    emulator,
    cpu: undefined,
    storeDirectory: globals.root,
    environment: process.env,
    makeDirectory: (prefix) => mkdtempSync(join(directory, `${prefix}-`)),
    report: () => undefined,
    signal: globals.signal,
  };
  const reasons: string[] = [];
  for (const isolation of ['private', 'host', 'prefix'] as const) {
    if (isolation === 'host' && process.getuid?.() !== 0) continue;
    try {
      await using emulation = openEmulation({ ...request, isolation });
      await emulation.forPlatform(platform);
      return { rung: emulation.describe().rung, reasons };
    } catch (error) {
      if (!(error instanceof ArchBuildError)) throw error;
      reasons.push(error.message);
      if (error.code === 'EMULATOR_MISSING' || error.code === 'EMULATOR_UNUSABLE') break;
    }
  }
  return { rung: undefined, reasons };
}
