/** Emulators with our front before them, as files for the time of a build. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArchBuildError } from '../../errors.ts';
import { nativeProgram } from '../../sys/native.ts';
import { runProgram } from '../../sys/run-program.ts';
import type { EmulationRequest } from '../emulation-request.ts';
import type { Emulator } from '../emulators.ts';
import { joinFront } from './join-front.ts';

/**
 * By machine, those that can have a front; none where acceleration is off. Throws HOST_INCAPABLE when it is on and one
 * cannot.
 */
export async function withFronts(
  request: Pick<EmulationRequest, 'accelerate' | 'makeDirectory' | 'report'>,
  emulators: ReadonlyMap<string, Emulator>,
): Promise<ReadonlyMap<string, Emulator>> {
  if (request.accelerate === 'off') return new Map();
  const directory = request.makeDirectory('fronts');
  const fronted = new Map<string, Emulator>();
  for (const [arch, emulator] of emulators) {
    const path = join(directory, `qemu-${arch}`);
    const fault = await writeFronted(emulator, path);
    if (fault === undefined) fronted.set(arch, { ...emulator, path });
    else if (request.accelerate === 'on') throw new ArchBuildError('HOST_INCAPABLE', fault);
    else request.report({ type: 'warning', text: fault });
  }
  return fronted;
}

async function writeFronted({ path: source }: Emulator, path: string): Promise<string | undefined> {
  if (process.arch !== 'x64') return 'programs are accelerated on x86_64 only';
  const joined = joinFront(await readFile(source), await readFile(nativeProgram('front')));
  if (typeof joined === 'string') return `programs are not accelerated: ${source} ${joined}`;
  await writeFile(path, joined, { mode: 0o755 });
  return (await starts(path)) ? undefined : `programs are not accelerated: ${path} does not start`;
}

/** It is where the store is, which may be mounted without the right to execute. */
async function starts(path: string): Promise<boolean> {
  try {
    return (await runProgram(path, ['--version'])).status === 0;
  } catch (error) {
    if (!(error instanceof ArchBuildError)) throw error;
    return false;
  }
}
