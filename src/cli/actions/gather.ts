/** `gather`: which container images a directory names, and bringing them here. */
import { resolve } from 'node:path';
import { gatherContext, listImages } from '../../build/gather-context.ts';
import type { FoundImages } from '../../cluster/find/find-images.ts';
import { formatPlace } from '../../cluster/find/image-mention.ts';
import { formatPlatform } from '../../oci/platform.ts';
import { printJson } from '../answer.ts';
import { targetPlatforms } from '../architectures.ts';
import type { GatherCommandFlags } from '../flags.ts';
import { gatherOptions } from '../gather-options.ts';
import { refuseContradiction, reporterFor, storeFor, type Globals } from '../globals.ts';
import { requireRoot } from '../require-root.ts';
import { terminalText } from '../terminal-text.ts';

/** Returns the exit status: 1 for a list with places that cannot be read. */
export async function gather(
  globals: Globals,
  contextArgument: string,
  flags: GatherCommandFlags,
): Promise<number> {
  const options = { context: resolve(contextArgument), gather: gatherOptions(flags) };
  if (flags.list === true) return list(await listImages(options), flags);
  refuseContradiction(globals, flags);
  requireRoot(globals);
  await using store = await storeFor(globals);
  const job = { store, report: reporterFor(globals), signal: globals.signal };
  const { platforms } = targetPlatforms(flags);
  const { pull, insecure } = flags;
  const images = await gatherContext(job, {
    ...options,
    platforms,
    pull,
    insecure,
    offline: globals.offline,
  });
  if (flags.json === true)
    printJson(
      images.map(({ name, root, manifests, places }) => ({
        name,
        digest: root.digest,
        platforms: Object.fromEntries(
          platforms.map((each) => [formatPlatform(each), manifests.get(formatPlatform(each))]),
        ),
        places,
      })),
    );
  else for (const { name, root } of images) process.stdout.write(`${name} ${root.digest}\n`);
  return 0;
}

function list({ images, problems }: FoundImages, { json }: GatherCommandFlags): number {
  if (json === true) {
    printJson({
      images: images.map(({ name, places, credentials }) => ({
        name,
        ...(credentials === undefined ? {} : { private: true }),
        places,
      })),
      problems: problems.map(({ place, message }) => ({ ...place, message })),
    });
  } else {
    for (const { name, places } of images)
      process.stdout.write(
        `${name}\n${places.map((place) => `  ${terminalText(formatPlace(place))}\n`).join('')}`,
      );
    for (const { place, message } of problems)
      process.stderr.write(`warning: ${terminalText(`${formatPlace(place)}: ${message}`)}\n`);
  }
  return problems.length === 0 ? 0 : 1;
}
