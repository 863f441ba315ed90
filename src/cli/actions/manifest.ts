/** `manifest create|add|remove|annotate|inspect`: indexes put together by hand. */
import { ArchBuildError } from '../../errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { parseDocument } from '../../oci/manifest.ts';
import type { Platform } from '../../oci/platform.ts';
import { formatReference, parseReference, withDefaultTag } from '../../oci/reference.ts';
import type { Store } from '../../store/store.ts';
import {
  bringEntries,
  changedEntry,
  findEntry,
  readList,
  withEntries,
  writeList,
  type EntryChange,
} from '../../transfer/manifest-list.ts';
import { namesTransport, parsePlace } from '../../transfer/transports/places.ts';
import { registryTransport } from '../../transfer/transports/registry.ts';
import { storeTransport } from '../../transfer/transports/store.ts';
import type { Place, TransportContext } from '../../transfer/transports/transport.ts';
import { readDocument } from '../../transfer/verified-stream.ts';
import { printJson } from '../answer.ts';
import { platformNamed, platformsFlag } from '../architectures.ts';
import type { EntryFlags, ManifestAddFlags, ManifestCreateFlags, RegistryFlags } from '../transfer-flags.ts';
import { requireNetwork, storeFor, type Globals } from '../globals.ts';
import { pairsOf } from '../pairs.ts';
import { requireRoot } from '../require-root.ts';
import { contextFor } from './copy.ts';

export async function create(
  globals: Globals,
  { list, images }: { readonly list: string; readonly images: readonly string[] },
  flags: ManifestCreateFlags,
): Promise<void> {
  requireRoot(globals);
  await using store = await storeFor(globals);
  const name = fullName(list);
  const existing = store.images.find(name) === undefined ? undefined : readList(store, name);
  if (existing !== undefined && flags.amend !== true) {
    throw new ArchBuildError('USAGE', `there is a list ${list}`, {
      hint: 'add to it with --amend, or remove it with `arch-build rmi`',
    });
  }
  const entries = await entriesOf(globals, { store, images }, flags);
  const annotations = { ...existing?.annotations, ...pairsOf('--annotation', flags.annotation) };
  const manifests = withEntries(existing?.manifests ?? [], entries);
  print(await writeList(store, name, { manifests, annotations }));
}

export async function add(
  globals: Globals,
  { list, images }: { readonly list: string; readonly images: readonly string[] },
  flags: ManifestAddFlags,
): Promise<void> {
  requireRoot(globals);
  await using store = await storeFor(globals);
  const before = readList(store, list);
  const entries = await entriesOf(globals, { store, images }, flags);
  const change = changeOf(flags);
  if (entries.length > 1 && Object.keys(change.platform).length > 0)
    throw new ArchBuildError('USAGE', 'one platform cannot be that of several images');
  const manifests = withEntries(
    before.manifests,
    entries.map((entry) => changedEntry(entry, change)),
  );
  print(await writeList(store, nameOf(store, list), { ...before, manifests }));
}

export async function remove(
  globals: Globals,
  { list, entries }: { readonly list: string; readonly entries: readonly string[] },
): Promise<void> {
  await using store = await storeFor(globals);
  const before = readList(store, list);
  const gone = new Set(entries.map((text) => findEntry(before.manifests, text, platformIn(text)).digest));
  const manifests = before.manifests.filter(({ digest }) => !gone.has(digest));
  print(await writeList(store, nameOf(store, list), { ...before, manifests }));
}

export async function annotate(
  globals: Globals,
  { list, entry }: { readonly list: string; readonly entry: string },
  flags: EntryFlags,
): Promise<void> {
  await using store = await storeFor(globals);
  const before = readList(store, list);
  const wanted = findEntry(before.manifests, entry, platformIn(entry));
  const change = changeOf(flags);
  const manifests = before.manifests.map((each) => (each === wanted ? changedEntry(each, change) : each));
  print(await writeList(store, nameOf(store, list), { ...before, manifests }));
}

/** Of the store when it has the name, else of the registry; of whatever place is named. */
export async function inspect(globals: Globals, name: string, flags: RegistryFlags): Promise<void> {
  requireRoot(globals);
  await using store = await storeFor(globals);
  const isStored = !namesTransport(name) && store.images.find(name) !== undefined;
  const place = parsePlace(name, isStored ? storeTransport : registryTransport);
  await using source = await openPlace(globals, place, contextFor(globals, store, flags));
  for (const { root } of source.images) {
    const document = parseDocument(await readDocument(source.content, root), root.mediaType);
    printJson(document.kind === 'index' ? document.index : document.manifest);
  }
}

/** A name that the store does not have is asked for at its registry. */
async function entriesOf(
  globals: Globals,
  { store, images }: { readonly store: Store; readonly images: readonly string[] },
  flags: ManifestCreateFlags | ManifestAddFlags,
): Promise<Descriptor[]> {
  const context = contextFor(globals, store, { ...flags, progress: 'quiet' });
  const choice = { platforms: platformsFlag(flags.platform), all: flags.all === true };
  const entries: Descriptor[] = [];
  for (const image of images) {
    const isStored = namesTransport(image) || store.images.find(image) !== undefined;
    const place = parsePlace(image, isStored ? storeTransport : registryTransport);
    await using source = await openPlace(globals, place, context);
    entries.push(...(await bringEntries(source, choice, context)));
  }
  return entries;
}

function openPlace(globals: Globals, place: Place, context: TransportContext): ReturnType<Place['open']> {
  if (place.registry !== undefined) requireNetwork(globals, `asking ${place.registry}`);
  return place.open(context);
}

function changeOf({ os, arch, variant, osVersion, annotation }: EntryFlags): EntryChange {
  const machine = arch === undefined ? {} : platformNamed(`${os ?? 'linux'}/${arch}`);
  return {
    platform: {
      ...machine,
      ...(os === undefined ? {} : { os }),
      ...(variant === undefined ? {} : { variant }),
      ...(osVersion === undefined ? {} : { 'os.version': osVersion }),
    },
    annotations: pairsOf('--annotation', annotation),
  };
}

const platformIn = (text: string): Platform | undefined =>
  text.includes('/') && !text.includes('@') ? platformNamed(text) : undefined;
const fullName = (text: string): string => formatReference(withDefaultTag(parseReference(text)));

function nameOf(store: Store, list: string): string {
  const { name } = store.images.get(list);
  if (name !== undefined) return name;
  throw new ArchBuildError('USAGE', `the list ${list} has no name`, {
    hint: 'give it one with `arch-build tag`',
  });
}

const print = ({ digest }: Descriptor): void => void process.stdout.write(`${digest}\n`);
