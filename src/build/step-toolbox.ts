/**
 * The shell that a Kubefile's RUN is lent when its rootfs has none: visible to the step, never part of the layer. The
 * tools stand in the step's own /dev, the mount point of /bin/sh in the stub layer.
 */
import { chmodSync, copyFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { architectureOf } from '../emulation/architecture.ts';
import { findToolbox, toolboxHint, type Toolbox } from '../emulation/toolbox.ts';
import { ArchBuildError } from '../errors.ts';
import type { RunInstruction } from '../kubefile/instruction.ts';
import { toBytePath } from '../layer/byte-path.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import { formatPlatform } from '../oci/platform.ts';
import type { StepMount } from '../sys/step-mounts.ts';
import { shellOf } from './config-steps.ts';
import type { PlannedMounts } from './run-mounts.ts';
import type { RunContext } from './step-context.ts';
import type { StageState } from './stage-state.ts';
import { APPLETS } from './toolbox-applets.ts';

export const SHELL = '/bin/sh';
const TOOLS = '/dev/toolbox/bin';

/** A step that has to be lent a shell, and who lends it: undefined where this host has no toolbox of the machine. */
export interface Loan {
  readonly toolbox: Toolbox | undefined;
}

/** Undefined for a step that is lent nothing. Throws TOOL_MISSING for a toolbox that is none. */
export async function planToolbox(
  context: RunContext,
  state: StageState,
  { instruction, mounts }: { readonly instruction: RunInstruction; readonly mounts: PlannedMounts },
): Promise<Loan | undefined> {
  if (context.dialect === 'dockerfile' || instruction.command.form === 'exec') return undefined;
  if (shellOf(state)[0] !== SHELL) return undefined;
  if (mounts.targets.some((target) => target === SHELL || SHELL.startsWith(`${target}/`))) return undefined;
  await context.ensureRootfs(state);
  if (hasProgram(context.job.store.snapshots.trees(state.chain), SHELL)) return undefined;
  return { toolbox: await toolboxOf(context, state) };
}

export function hasProgram(trees: readonly string[], path: string): boolean {
  return new MergedTree(trees).resolve(toBytePath(path)).node !== undefined;
}

/** Throws TOOL_MISSING for a toolbox that is none. */
export async function toolboxOf({ job }: RunContext, { platform }: StageState): Promise<Toolbox | undefined> {
  const architecture = architectureOf(platform);
  if (architecture === undefined) return undefined;
  return findToolbox(architecture, { environment: process.env, storeDirectory: job.store.layout.root });
}

/** Throws TOOL_MISSING. */
export function requireToolbox({ toolbox }: Loan, { platform }: StageState): Toolbox {
  if (toolbox !== undefined) return toolbox;
  const architecture = architectureOf(platform);
  throw new ArchBuildError(
    'TOOL_MISSING',
    `the rootfs has no ${SHELL}, and this host has no toolbox for ${architecture?.arch ?? formatPlatform(platform)} to lend one`,
    architecture === undefined ? {} : { hint: toolboxHint(architecture) },
  );
}

export const describeToolbox = ({ arch, version, sha256 }: Toolbox): string =>
  `the toolbox (busybox ${version} for ${arch}, sha256 ${sha256.slice(0, 12)})`;

/** What of the step's scratch directory the step sees, once `openToolbox` has made it. */
export function toolMounts(scratch: string): StepMount[] {
  const source = join(scratch, 'toolbox');
  return [
    { type: 'bind', kind: 'directory', source, target: TOOLS, readOnly: true },
    { type: 'bind', kind: 'file', source: join(source, 'busybox'), target: SHELL, readOnly: true },
  ];
}

/** The copy is of the step: whatever becomes of the file, the step has what it began with. */
export function openToolbox(scratch: string, { path }: Toolbox): StepMount[] {
  const directory = join(scratch, 'toolbox');
  const program = join(directory, 'busybox');
  mkdirSync(directory, { mode: 0o755 });
  copyFileSync(path, program);
  chmodSync(program, 0o755);
  for (const name of APPLETS) symlinkSync('busybox', join(directory, name));
  return toolMounts(scratch);
}

/** What the image has comes first, except to a busybox that prefers its own applets, as Debian’s shell does. */
export function withTools(variables: ReadonlyMap<string, string>): Map<string, string> {
  const path = variables.get('PATH') ?? '';
  return new Map([...variables, ['PATH', path === '' ? TOOLS : `${path}:${TOOLS}`]]);
}
