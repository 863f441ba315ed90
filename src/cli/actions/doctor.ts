/** `doctor`: what this host can build; `--fix` does what is safe to do about it, `--report` writes it all to a file. */
import { resolve } from 'node:path';
import { BUNDLE_CONTENT, bundleText } from '../../emulation/doctor-bundle.ts';
import { applyFixes, type FixOutcome } from '../../emulation/doctor-fix.ts';
import { enterNamespaceOfBuilds } from '../../emulation/doctor-namespace.ts';
import { openDoctorScratch } from '../../emulation/doctor-scratch.ts';
import { runDoctor, type Diagnosis } from '../../emulation/doctor.ts';
import { writeFileAtomic } from '../../sys/atomic-file.ts';
import { reachRegistry, type RegistryReach } from '../../transfer/registry-reach.ts';
import { printJson } from '../answer.ts';
import { platformNamed } from '../architectures.ts';
import { onStdout } from '../colours.ts';
import { formatDoctor, formatFixes } from '../doctor-text.ts';
import { HOST_INCAPABLE } from '../explain.ts';
import type { DoctorFlags } from '../flags.ts';
import type { Globals } from '../globals.ts';

/** Returns 3 when something a build needs is missing, after the fixes if there are any. */
export async function doctor(globals: Globals, flags: DoctorFlags, version: string): Promise<number> {
  await enterNamespaceOfBuilds(globals.root, process.env);
  let diagnosis = await diagnose(globals, flags);
  let fixes: readonly FixOutcome[] | undefined;
  if (flags.fix === true) {
    fixes = await applyFixes(diagnosis.report, {
      self: [process.execPath, process.argv[1] ?? ''],
      isRoot: diagnosis.facts.user.uid === 0,
      signal: globals.signal,
      onStart: (what) => void process.stderr.write(`running: ${what}\n`),
    });
    diagnosis = await diagnose(globals, flags);
  }
  print(flags, diagnosis, fixes);
  if (flags.report !== undefined) writeBundle(flags.report, diagnosis, version);
  return diagnosis.report.state === 'fail' ? HOST_INCAPABLE : 0;
}

async function diagnose(globals: Globals, flags: DoctorFlags): Promise<Diagnosis> {
  await using scratch = await openDoctorScratch(globals.root);
  const registries: RegistryReach[] = [];
  for (const host of flags.registry) {
    registries.push(await reachRegistry(host, { environment: process.env, signal: globals.signal }));
  }
  return await runDoctor({
    program: programOf(globals),
    platforms: flags.platform.map(platformNamed),
    storeDirectory: globals.root,
    environment: process.env,
    emulators: flags.emulator,
    registries,
    makeDirectory: scratch.makeDirectory,
    signal: globals.signal,
  });
}

/** As the user started us: a store from the environment is there for the advised commands too. */
function programOf({ root }: Globals): string[] {
  const isNamed = process.argv.some((word) => word === '--root' || word.startsWith('--root='));
  return isNamed ? ['arch-build', '--root', root] : ['arch-build'];
}

function print({ json }: DoctorFlags, { report }: Diagnosis, fixes: readonly FixOutcome[] | undefined): void {
  if (json === true) {
    printJson(fixes === undefined ? report : { ...report, fixes });
    return;
  }
  const color = onStdout.level > 0;
  if (fixes !== undefined) process.stdout.write(formatFixes(fixes, { color }));
  process.stdout.write(formatDoctor(report, { color }));
}

function writeBundle(file: string, { report, facts }: Diagnosis, version: string): void {
  writeFileAtomic(resolve(file), bundleText(report, facts, { version, environment: process.env }));
  process.stderr.write(`${file} is written, to be read before it is sent; it has ${BUNDLE_CONTENT}\n`);
}
