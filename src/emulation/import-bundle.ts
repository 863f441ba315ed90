/** Takes a bundle of emulators and toolboxes apart into a directory; each file is verified before anybody sees it. */
import { createHash } from 'node:crypto';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { hostArchitecture } from './architecture.ts';
import { MANIFEST, parseManifest, type BundledProgram, type BundleManifest } from './bundle.ts';
import { PlainTarReader } from './plain-tar.ts';

/** The files, by their place under the directory, as the manifest says them. Throws ARCHIVE_INVALID, DIGEST_MISMATCH, EMULATOR_UNUSABLE, IO. */
export async function unpackBundle(
  path: string,
  { directory, signal }: { readonly directory: string; readonly signal?: AbortSignal },
): Promise<BundleManifest> {
  await using file = await open(path, 'r');
  const reader = new PlainTarReader(file, path);
  const manifest = await readManifest(reader);
  const host = hostArchitecture().arch;
  if (manifest.host !== host) {
    throw new ArchBuildError(
      'EMULATOR_UNUSABLE',
      `${path} has emulators for ${manifest.host} hosts, not for ${host}`,
    );
  }
  for (const program of [...manifest.emulators, ...(manifest.toolboxes ?? [])]) {
    signal?.throwIfAborted();
    if ((await reader.open(program.file)) !== program.size)
      reader.fail(`${program.file} has another size than it says`);
    await unpackOne(reader, { program, path, target: join(directory, program.file) });
  }
  await reader.end();
  return manifest;
}

const LARGEST_MANIFEST = 1 << 20;

async function readManifest(reader: PlainTarReader): Promise<NonNullable<ReturnType<typeof parseManifest>>> {
  const size = await reader.open(MANIFEST);
  if (size > LARGEST_MANIFEST) reader.fail('its manifest is too large');
  const chunks: Buffer[] = [];
  for await (const chunk of reader.content(size)) chunks.push(chunk);
  return parseManifest(Buffer.concat(chunks).toString('utf8')) ?? reader.fail('its manifest makes no sense');
}

interface Unpacking {
  readonly program: BundledProgram;
  /** Of the bundle, for messages. */
  readonly path: string;
  readonly target: string;
}

async function unpackOne(reader: PlainTarReader, { program, path, target }: Unpacking): Promise<void> {
  const { file, size, sha256 } = program;
  await mkdir(dirname(target), { recursive: true });
  await using output: FileHandle = await open(target, 'wx', 0o700);
  const hash = createHash('sha256');
  for await (const chunk of reader.content(size)) {
    hash.update(chunk);
    await output.writeFile(chunk);
  }
  if (hash.digest('hex') === sha256) return;
  throw new ArchBuildError('DIGEST_MISMATCH', `${file} of ${path} is not what its manifest says`, {
    hint: 'do not use it: export it again',
  });
}
