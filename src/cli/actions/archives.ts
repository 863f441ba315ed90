/** `save`, `load`. */
import { resolve } from 'node:path';
import { SAVE_FORMATS } from '../../deploy/save-formats.ts';
import { openAnyArchive } from '../../deploy/sealer-place.ts';
import { prepareImages } from '../../transfer/copy-images.ts';
import type { NamedImage } from '../../transfer/image-list.ts';
import type { ImageSet, ImageSource } from '../../transfer/image-set.ts';
import { mergeSets } from '../../transfer/merge-sets.ts';
import { parsePlace } from '../../transfer/transports/places.ts';
import { storeTransport, writeToStore } from '../../transfer/transports/store.ts';
import type { TransportContext } from '../../transfer/transports/transport.ts';
import { namesTransport } from '../../transfer/transports/words.ts';
import { platformsFlag } from '../architectures.ts';
import type { LoadFlags, SaveFlags } from '../transfer-flags.ts';
import { storeFor, type Globals } from '../globals.ts';
import { requireRoot } from '../require-root.ts';
import { contextFor, openPlace, requireReach } from '../places.ts';
import { packingFlag } from './copy.ts';
import { writeArchive } from '../write-archive.ts';

export async function save(globals: Globals, names: readonly string[], flags: SaveFlags): Promise<void> {
  requireRoot(globals);
  const packing = packingFlag(flags);
  const places = names.map((name) => parsePlace(name, storeTransport));
  for (const place of places) requireReach(globals, place);
  await using store = await storeFor(globals);
  const context = contextFor(globals, store, { ...flags, progress: 'quiet' });
  const { traits, write } = SAVE_FORMATS[flags.format];
  const choices = { platforms: platformsFlag(flags.platform), ...packing, traits };
  const sources: ImageSource[] = [];
  try {
    for (const place of places) sources.push(await place.open(context));
    const sets: ImageSet[] = [];
    for (const source of sources) sets.push(await prepareImages(source, choices, context));
    await writeArchive(write(await mergeSets(sets), context), flags.output);
  } finally {
    for (const source of sources) await source[Symbol.asyncDispose]();
  }
}

export async function load(globals: Globals, flags: LoadFlags): Promise<void> {
  requireRoot(globals);
  await using store = await storeFor(globals);
  const context = contextFor(globals, store, { ...flags, progress: 'quiet' });
  await using source = await openInput(globals, flags.input, context);
  const choices = { platforms: platformsFlag(flags.platform), traits: { keepsIndex: true } };
  const set = await prepareImages(source, choices, context);
  await writeToStore(set, undefined, context);
  process.stdout.write(set.images.map(describeLoaded).join(''));
}

async function openInput(globals: Globals, input: string, context: TransportContext): Promise<ImageSource> {
  if (namesTransport(input)) return openPlace(globals, parsePlace(input, storeTransport), context);
  const path = input === '-' ? '/dev/stdin' : resolve(input);
  return openAnyArchive(context.store, path);
}

const describeLoaded = ({ root, references }: NamedImage): string =>
  references.length === 0
    ? `${root.digest}\n`
    : references.map((name) => `${name} ${root.digest}\n`).join('');
