/** `manifest create|add|remove|annotate|inspect`: indexes put together by hand. */
import { ArchBuildError } from '../../errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { parseDocument } from '../../oci/manifest.ts';
import type { Platform } from '../../oci/platform.ts';
import { fullName } from '../../oci/reference.ts';
import type { Store } from '../../store/store.ts';
import {
  bringEntries,
  changedEntry,
  findEntry,
  findList,
  readList,
  withEntries,
  writeList,
  type EntryChange,
} from '../../transfer/manifest-list.ts';
import { parsePlace } from '../../transfer/transports/places.ts';
import { registryTransport } from '../../transfer/transports/registry.ts';
import { storeTransport } from '../../transfer/transports/store.ts';
import type { Place } from '../../transfer/transports/transport.ts';
import { namesTransport } from '../../transfer/transports/words.ts';
import { readDocument } from '../../transfer/verified-stream.ts';
import { printJson } from '../answer.ts';
import { platformNamed, platformsFlag } from '../architectures.ts';
import type { EntryFlags, ManifestAddFlags, ManifestCreateFlags, RegistryFlags } from '../transfer-flags.ts';
import { storeFor, type Globals } from '../globals.ts';
import { pairsOf } from '../pairs.ts';
import { contextFor, openPlace } from '../places.ts';
import { requireRoot } from '../require-root.ts';

interface Images {
  readonly list: string;
  readonly images: readonly string[];
}

export async function create(
  globals: Globals,
  { list, images }: Images,
  flags: ManifestCreateFlags,
): Promise<void> {
  requireRoot(globals);
  await using store = await storeFor(globals);
  const name = fullName(list);
  const existing = findList(store, name);
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
  { list, images }: Images,
  flags: ManifestAddFlags,
): Promise<void> {
  requireRoot(globals);
  await changeList(globals, list, async (manifests, store) => {
    const entries = await entriesOf(globals, { store, images }, flags);
    const change = changeOf(flags);
    if (entries.length > 1 && Object.keys(change.platform).length > 0)
      throw new ArchBuildError('USAGE', 'one platform cannot be that of several images');
    return withEntries(
      manifests,
      entries.map((entry) => changedEntry(entry, change)),
    );
  });
}

export async function remove(
  globals: Globals,
  { list, entries }: { readonly list: string; readonly entries: readonly string[] },
): Promise<void> {
  await changeList(globals, list, (manifests) => {
    const gone = new Set(entries.map((text) => findEntry(manifests, text, platformIn(text)).digest));
    return manifests.filter(({ digest }) => !gone.has(digest));
  });
}

export async function annotate(
  globals: Globals,
  { list, entry }: { readonly list: string; readonly entry: string },
  flags: EntryFlags,
): Promise<void> {
  await changeList(globals, list, (manifests) => {
    const wanted = findEntry(manifests, entry, platformIn(entry));
    const change = changeOf(flags);
    return manifests.map((each) => (each === wanted ? changedEntry(each, change) : each));
  });
}

type Entries = readonly Descriptor[];

async function changeList(
  globals: Globals,
  list: string,
  change: (manifests: Entries, store: Store) => Entries | Promise<Entries>,
): Promise<void> {
  await using store = await storeFor(globals);
  const before = readList(store, list);
  const manifests = await change(before.manifests, store);
  print(await writeList(store, nameOf(store, list), { ...before, manifests }));
}

export async function inspect(globals: Globals, name: string, flags: RegistryFlags): Promise<void> {
  requireRoot(globals);
  await using store = await storeFor(globals);
  await using source = await openPlace(globals, placeOf(store, name), contextFor(globals, store, flags));
  for (const { root } of source.images) {
    const document = parseDocument(await readDocument(source.content, root), root.mediaType);
    printJson(document.kind === 'index' ? document.index : document.manifest);
  }
}

/** Of the store when it has the name, else of the registry; of whatever place is named. */
function placeOf(store: Store, name: string): Place {
  const isStored = !namesTransport(name) && store.images.find(name) !== undefined;
  return parsePlace(name, isStored ? storeTransport : registryTransport);
}

async function entriesOf(
  globals: Globals,
  { store, images }: { readonly store: Store; readonly images: readonly string[] },
  flags: ManifestCreateFlags | ManifestAddFlags,
): Promise<Descriptor[]> {
  const context = contextFor(globals, store, { ...flags, progress: 'quiet' });
  const choice = { platforms: platformsFlag(flags.platform), all: flags.all === true };
  const entries: Descriptor[] = [];
  for (const image of images) {
    await using source = await openPlace(globals, placeOf(store, image), context);
    entries.push(...(await bringEntries(source, choice, context)));
  }
  return entries;
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

function nameOf(store: Store, list: string): string {
  const { name } = store.images.get(list);
  if (name !== undefined) return name;
  throw new ArchBuildError('USAGE', `the list ${list} has no name`, {
    hint: 'give it one with `arch-build tag`',
  });
}

const print = ({ digest }: Descriptor): void => void process.stdout.write(`${digest}\n`);
