/** `--accelerate[=off|auto|on]`. */
import type { Acceleration } from '../emulation/emulation-request.ts';
import { ArchBuildError } from '../errors.ts';
import type { BuildFlags } from './flags.ts';

/** Throws USAGE. */
export function accelerationOf({
  accelerate = 'off',
  isolation,
}: Pick<BuildFlags, 'accelerate' | 'isolation'>): Acceleration {
  const choice = accelerate === true ? 'auto' : accelerate;
  if (choice === 'on' && !['auto', 'private'].includes(isolation))
    throw new ArchBuildError('USAGE', `--accelerate=on cannot be kept with --isolation ${isolation}`, {
      hint: 'native twins are started from a table that only the step has: --isolation private',
    });
  return choice;
}
