/** The store's `toolbox/<arch>/busybox`: one for a machine, the file complete or absent. */
import { ArchBuildError } from '../errors.ts';
import type { BundledProgram } from './bundle.ts';
import { putOnShelf } from './shelf.ts';
import { identifyToolbox, toolboxPath, type Toolbox, type ToolboxIdentity } from './toolbox.ts';

export interface ToolboxFile {
  /** On the store's file system. */
  readonly path: string;
  readonly identity: ToolboxIdentity;
}

/** Moves it to its place; one of the same machine is replaced. */
export async function shelveToolbox(
  { path, identity }: ToolboxFile,
  { storeDirectory }: { readonly storeDirectory: string },
): Promise<Toolbox> {
  const { architecture, ...facts } = identity;
  const place = toolboxPath(storeDirectory, architecture);
  await putOnShelf(path, place);
  return { arch: architecture.arch, path: place, ...facts, source: 'store' };
}

/** What an export has brought as a toolbox. `shown` is for messages. Throws TOOL_MISSING when it is another program. */
export async function examineToolbox(
  path: string,
  shown: string,
  promised: BundledProgram,
): Promise<ToolboxFile> {
  const identity = await identifyToolbox(path);
  if (identity === undefined || typeof identity === 'string')
    throw new ArchBuildError('TOOL_MISSING', `${shown} ${identity ?? 'is not there'}`);
  const { architecture, version } = identity;
  if (promised.arch === architecture.arch && promised.version === version) return { path, identity };
  throw new ArchBuildError(
    'TOOL_MISSING',
    `${shown} is busybox ${version} for ${architecture.arch}, which is not what it is called`,
  );
}
