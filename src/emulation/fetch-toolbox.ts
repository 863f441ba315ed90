/** Fetches the toolbox of a machine from the distribution's archive into the store: pinned, verified, not installed. */
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { openSession } from '../sys/scratch.ts';
import type { Architecture } from './architecture.ts';
import { unpackFiles } from './deb.ts';
import { fetchPackage, hasDigest, requireDigest, type FetchOptions } from './fetch.ts';
import { pinnedToolboxes } from './pins.ts';
import { putOnShelf } from './shelf.ts';
import { toolboxHint, toolboxPath } from './toolbox.ts';

/** Nothing is fetched when it is there. Throws TOOL_MISSING when none is pinned, DIGEST_MISMATCH, NETWORK. */
export async function fetchToolbox(
  architecture: Architecture,
  options: Pick<FetchOptions, 'storeDirectory' | 'report' | 'signal'>,
): Promise<void> {
  const pinned = pinnedToolboxes().find(({ arch }) => arch === architecture.arch);
  if (pinned === undefined) {
    const what = `no toolbox for ${architecture.arch} is pinned`;
    throw new ArchBuildError('TOOL_MISSING', what, { hint: toolboxHint(architecture) });
  }
  const { program } = pinned;
  const place = toolboxPath(options.storeDirectory, architecture);
  if (await hasDigest(place, program)) return;
  await using session = openSession(join(options.storeDirectory, 'tmp'));
  const deb = await fetchPackage(pinned, session.makeDirectory('fetch'), options);
  const directory = session.makeDirectory('unpack');
  const { signal } = options;
  await unpackFiles(deb, { files: [program.file], directory, ...(signal === undefined ? {} : { signal }) });
  const path = join(directory, program.file);
  await requireDigest(path, program, program.file);
  await putOnShelf(path, place);
}
