/** The refusal of `--offline`. */
import { ArchBuildError } from '../errors.ts';

/** `wanted` names what was about to be asked of the network. */
export function offlineError(wanted: string, hint?: string): ArchBuildError {
  const message = `${wanted} needs the network, and --offline forbids it`;
  return new ArchBuildError('OFFLINE', message, hint === undefined ? {} : { hint });
}
