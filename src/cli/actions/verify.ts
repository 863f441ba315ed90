/** `verify`: every document and every byte of an image of the store, of an archive, or of an OCI layout. */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { storeContent } from '../../layer/image-content.ts';
import { verifyImage } from '../../layer/verify-image.ts';
import type { ContentSource } from '../../oci/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Problem } from '../../oci/verify.ts';
import type { Store } from '../../store/store.ts';
import { openImageArchive } from '../../transfer/image-archive.ts';
import { OciLayout } from '../../transfer/oci-layout.ts';
import { printJson } from '../answer.ts';
import type { VerifyFlags } from '../flags.ts';
import { storeFor, type Globals } from '../globals.ts';
import { requireRoot } from '../require-root.ts';

interface Verified {
  readonly name: string;
  readonly digest: string;
  readonly problems: readonly Problem[];
}

/** Returns 1 when anything is wrong. */
export async function verify(
  globals: Globals,
  image: string,
  { json = false }: VerifyFlags,
): Promise<number> {
  requireRoot(globals);
  await using store = await storeFor(globals);
  const results = await verifyNamed(store, image);
  if (json) printJson(results);
  else process.stdout.write(results.map(formatResult).join(''));
  return results.every(({ problems }) => problems.length === 0) ? 0 : 1;
}

/** A name of the store comes first; else a file is an archive and a directory a layout. */
async function verifyNamed(store: Store, text: string): Promise<Verified[]> {
  const isPath = /^[./]/.test(text) && existsSync(text);
  const stored = isPath ? undefined : store.images.find(text);
  if (stored !== undefined || !existsSync(text)) {
    const { name, root } = stored ?? store.images.get(text);
    return [await verifyOne(storeContent(store), { name: name ?? root.digest, root })];
  }
  const path = resolve(text);
  if (statSync(path).isDirectory()) {
    const layout = await OciLayout.open(path);
    return verifyAll(layout, await layout.images());
  }
  await using archive = await openImageArchive(path, store.makeDirectory('verify'));
  return await verifyAll(archive, archive.images);
}

async function verifyAll(
  source: ContentSource,
  images: readonly { readonly references: readonly string[]; readonly root: Descriptor }[],
): Promise<Verified[]> {
  const results: Verified[] = [];
  for (const { references, root } of images) {
    results.push(await verifyOne(source, { name: references.join(', ') || root.digest, root }));
  }
  return results;
}

async function verifyOne(
  source: ContentSource,
  { name, root }: { name: string; root: Descriptor },
): Promise<Verified> {
  return { name, digest: root.digest, problems: await verifyImage(source, root) };
}

function formatResult({ name, digest, problems }: Verified): string {
  const lines = problems.map(({ rule, where, message }) => `  ${rule} ${where}: ${message}\n`);
  const shown = name === digest ? digest : `${name} ${digest}`;
  return `${shown} ${problems.length === 0 ? 'ok' : `${problems.length} problems`}\n${lines.join('')}`;
}
