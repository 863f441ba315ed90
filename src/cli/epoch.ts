/** $SOURCE_DATE_EPOCH: the time that what is made says it was made. */
import { ArchBuildError } from '../errors.ts';
import { parseEpoch } from './options.ts';

/** Seconds since 1970; undefined where it is not set. Throws USAGE. */
export function epochOfEnvironment(): number | undefined {
  const text = process.env['SOURCE_DATE_EPOCH'];
  if (text === undefined || text === '') return undefined;
  try {
    return parseEpoch(text);
  } catch {
    throw new ArchBuildError(
      'USAGE',
      `$SOURCE_DATE_EPOCH is not a number of seconds: ${JSON.stringify(text)}`,
    );
  }
}
