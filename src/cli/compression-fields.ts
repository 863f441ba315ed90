/** `compression=`, `compression-level=` and `force-compression=` in `--output` and `--cache-to`. */
import { ArchBuildError } from '../errors.ts';
import { packingOf } from '../layer/compress.ts';
import type { Encoding } from '../transfer/encode.ts';
import { truthOf } from './fields.ts';

export const COMPRESSION_KEYS = ['compression', 'compression-level', 'force-compression'];

/**
 * Plain layers become what is asked for, and packed ones only when forced, as BuildKit has it; undefined when nothing
 * changes. `where` is the option and its word, for messages. Throws USAGE.
 */
export function encodingOf(
  where: string,
  fields: ReadonlyMap<string, string>,
): Pick<Encoding, 'packing' | 'plainOnly'> | undefined {
  const kind = fields.get('compression');
  const level = fields.get('compression-level');
  const isForced = truthOf(where, 'force-compression', fields.get('force-compression')) === true;
  if (kind === undefined || kind === 'uncompressed') {
    if (level !== undefined)
      throw new ArchBuildError(
        'USAGE',
        `invalid ${where}: compression-level= needs compression=gzip or zstd`,
      );
    return kind === undefined || !isForced ? undefined : { packing: { kind: 'none' } };
  }
  if (kind !== 'gzip' && kind !== 'zstd')
    throw new ArchBuildError(
      'USAGE',
      `invalid ${where}: layers are not compressed with ${JSON.stringify(kind)}`,
      {
        hint: 'write compression=gzip, zstd or uncompressed',
      },
    );
  if (level !== undefined && !/^[0-9]+$/.test(level))
    throw new ArchBuildError('USAGE', `invalid ${where}: compression-level=${level} is no number`);
  const packing = packingOf(kind, level === undefined ? undefined : Number(level));
  return isForced ? { packing } : { packing, plainOnly: true };
}
