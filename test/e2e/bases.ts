/**
 * The root file systems the end-to-end tests build on: made once, kept under .cache/ between runs.
 *
 * Emulators come from $ARCH_BUILD_EMULATORS, which vitest.config.ts points to the store that scripts/test.sh fetches
 * them into.
 */
import { join } from 'node:path';
import { callProgram, openCli, type Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { CACHE, lockInCache, madeOnce } from '../support/made-once.ts';

const REPOSITORY = join(import.meta.dirname, '../..');

/** A busybox of a few megabytes: `sh`, `tty`, `stty`, `stat`… and nothing else. `arch` as scripts/busybox-rootfs.sh says it. */
export function busyboxRootfs(arch = 'arm64'): Promise<string> {
  return madeOnce(`e2e/busybox-${arch}.tar`, (path) => runScript('busybox-rootfs.sh', [arch, path]));
}

/** Unpacked packages only: the second stage of debootstrap is for a build. */
export function debianFirstStage(): Promise<string> {
  return madeOnce('debian-arm64-stage1.tar', (path) => runScript('debian-rootfs.sh', ['arm64', path]));
}

/** A minimal Debian for this machine, as a host to try things on. */
export function debianHost(): Promise<string> {
  return madeOnce('debian-host.tar', (path) => runScript('debian-host-rootfs.sh', [path]));
}

/** The program `kubectl` of Debian's package, statically linked; `arch` as scripts/debian-program.sh says it. */
export function kubectlProgram(arch: string): Promise<string> {
  const words = [arch, 'kubernetes-client', 'usr/bin/kubectl'];
  return madeOnce(`e2e/kubectl-${arch}`, (path) => runScript('debian-program.sh', [...words, path]));
}

/** A store of its own with the arm64 image `busybox:latest`. The caller disposes it. */
export async function openBusyboxCli(): Promise<Cli> {
  const rootfs = await busyboxRootfs();
  const cli = await openCli();
  await cli.run(['import', rootfs, 'busybox', '--platform', 'linux/arm64']);
  return cli;
}

/** Where `fetchEmulators` puts them, by version. */
export const TEST_EMULATORS = join(CACHE, 'test-store/emulators');

/** Makes sure that emulators of these machines are among those the tests find. */
export async function fetchEmulators(archs: readonly string[]): Promise<void> {
  const root = join(CACHE, 'test-store');
  using _lock = await lockInCache('emulators');
  for (const version of ['7.2.22', '10.0.13']) {
    const args = ['--root', root, 'emulators', 'fetch', '--emulator-version', version, ...archs];
    const { status, stderr } = await callProgram(args);
    if (status !== 0) throw new Error(`emulators fetch: ${stderr}`);
  }
}

const runScript = (name: string, args: readonly string[]): Promise<string> =>
  runTool('sh', [join(REPOSITORY, 'scripts', name), ...args]);
