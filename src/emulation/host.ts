/** Which platforms this host's processor and kernel run themselves. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import type { Platform } from '../oci/platform.ts';
import { runProgram } from '../sys/run-program.ts';
import { openTemporary } from '../sys/temporary.ts';
import { architectureOf, hostArchitecture, runsNatively, type Architecture } from './architecture.ts';
import { PROBE_STATUS, probeProgram } from './probe.ts';

/** Machines a processor may run besides its own; whether the kernel lets it is found out by trying. */
const COMPATIBLE: Readonly<Record<string, readonly string[]>> = {
  x86_64: ['i386'],
  aarch64: ['arm'],
  ppc64: ['ppc'],
};

export function hostPlatform(): Platform {
  const [platform] = hostArchitecture().platforms;
  if (platform === undefined)
    throw new ArchBuildError('HOST_INCAPABLE', 'this machine has no OCI platform name');
  return platform;
}

const tried = new Map<string, Promise<boolean>>();

/** True when the platform's programs need no emulator here. */
export async function runsOnHost(platform: Platform): Promise<boolean> {
  const host = hostArchitecture();
  const wanted = architectureOf(platform);
  if (runsNatively(platform, { host, compatible: [] })) return true;
  if (wanted === undefined || COMPATIBLE[host.arch]?.includes(wanted.arch) !== true) return false;
  const trial = tried.get(wanted.arch) ?? tryNatively(wanted);
  tried.set(wanted.arch, trial);
  return trial;
}

/** With QEMU_VERSION an emulator of the host's binfmt table says its version and exits 0: only the processor gives 42. */
async function tryNatively(architecture: Architecture): Promise<boolean> {
  const program = probeProgram(architecture);
  if (program === undefined) return false;
  try {
    await using temporary = openTemporary('arch-build-probe');
    const path = join(temporary.directory, 'probe');
    writeFileSync(path, program);
    chmodSync(path, 0o700);
    return (await runProgram(path, [], { env: { QEMU_VERSION: '1' } })).status === PROBE_STATUS;
  } catch {
    return false; // the kernel refuses the format, or there is no place to try it
  }
}
