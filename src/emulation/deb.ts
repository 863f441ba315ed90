/** Takes single files out of a Debian package, without installing it. */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { runPipe, runProgram } from '../sys/run-program.ts';

export interface UnpackOptions {
  /** Paths inside the package, without a leading slash. */
  readonly files: readonly string[];
  /** An empty directory; the files appear under it with their whole path. */
  readonly directory: string;
  readonly signal?: AbortSignal;
}

/** The qemu programs in a package: paths without a leading slash. Throws ARCHIVE_INVALID, TOOL_MISSING. */
export async function listEmulators(deb: string, signal?: AbortSignal): Promise<string[]> {
  const names = await listMembers(deb, signal);
  return names.filter((name) => /^usr\/bin\/qemu-[A-Za-z0-9_]+(?:-static)?$/.test(name));
}

/** All that is in a package: paths without a leading slash. Throws ARCHIVE_INVALID, TOOL_MISSING. */
export async function listMembers(deb: string, signal?: AbortSignal): Promise<string[]> {
  const listing = await unpack(deb, ['--list'], signal);
  return listing.split('\n').map((name) => name.replace(/^\.?\//, ''));
}

/** Throws TOOL_MISSING; a file that is no package has the name ''. */
export async function packageName(deb: string, signal?: AbortSignal): Promise<string> {
  const options = signal === undefined ? {} : { signal };
  return (await runProgram('dpkg-deb', ['--field', deb, 'Package'], options).catch(explain)).stdout.trim();
}

/** Only the named members are written, and each must be a plain file. Throws ARCHIVE_INVALID, TOOL_MISSING. */
export async function unpackFiles(deb: string, { files, directory, signal }: UnpackOptions): Promise<void> {
  const members = files.map((file) => `./${file}`);
  const options = ['--no-same-owner', '--no-same-permissions', '--no-recursion', '--directory', directory];
  await unpack(deb, ['--extract', ...options, '--', ...members], signal);
  for (const file of files) {
    if ((await lstat(join(directory, file))).isFile()) continue;
    throw new ArchBuildError('ARCHIVE_INVALID', `${file} of ${deb} is not a plain file`);
  }
}

async function unpack(deb: string, tarArguments: readonly string[], signal?: AbortSignal): Promise<string> {
  const options = signal === undefined ? {} : { signal };
  const result = await runPipe(['dpkg-deb', '--fsys-tarfile', deb], ['tar', ...tarArguments], options).catch(
    explain,
  );
  if (result.status === 0) return result.stdout;
  const [words] = result.stderr.trim().split('\n');
  throw new ArchBuildError('ARCHIVE_INVALID', `${deb} cannot be unpacked: ${words ?? ''}`);
}

function explain(error: unknown): never {
  if (!(error instanceof ArchBuildError) || error.code !== 'TOOL_MISSING') throw error;
  throw new ArchBuildError('TOOL_MISSING', error.message, {
    hint: 'unpack the package on another host and import the program itself',
    cause: error,
  });
}
