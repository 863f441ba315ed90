/** Machine names of the command line to rows of the architecture table. */
import {
  ARCHITECTURES,
  architectureByName,
  architectureOf,
  platformOfMachine,
  type Architecture,
} from '../emulation/architecture.ts';
import { ArchBuildError } from '../errors.ts';

/** `all` (and nothing) are all of them. Throws USAGE for a name nobody uses. */
export function architecturesNamed(names: readonly string[]): Architecture[] {
  if (names.length === 0 || names.includes('all')) return [...ARCHITECTURES];
  return names.map((name) => {
    const platform = name.includes('/') ? platformOfMachine(name) : undefined;
    const found = platform === undefined ? architectureByName(name) : architectureOf(platform);
    if (found !== undefined) return found;
    throw new ArchBuildError('USAGE', `unknown machine ${JSON.stringify(name)}`, {
      hint: `known are ${ARCHITECTURES.map(({ arch }) => arch).join(', ')}, and platforms such as linux/arm64`,
    });
  });
}
