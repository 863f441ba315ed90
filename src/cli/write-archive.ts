/** Where an archive goes that a command makes. */
import { resolve } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { writeOutputFile } from '../transfer/output-file.ts';

/** To a file, whole or not at all, or to standard output. Throws USAGE for a terminal. */
export async function writeArchive(
  archive: AsyncIterable<Uint8Array>,
  output: string | undefined,
): Promise<void> {
  if (output !== undefined && output !== '-') return writeOutputFile(resolve(output), archive);
  if (process.stdout.isTTY) {
    throw new ArchBuildError('USAGE', 'an archive is not for a terminal', {
      hint: 'name a file with -o, or redirect the output',
    });
  }
  for await (const chunk of archive) {
    if (!process.stdout.write(chunk)) await new Promise((resolve) => process.stdout.once('drain', resolve));
  }
}
