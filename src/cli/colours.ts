/** Colours where the reader's stream has them, unless NO_COLOR or --no-color says otherwise. */
import { Chalk, supportsColor, supportsColorStderr, type ColorInfo } from 'chalk';

/** Chalk itself knows --no-color and TERM, but not NO_COLOR (any value but the empty one, says no-color.org). */
const levelOf = (support: ColorInfo): 0 | 1 | 2 | 3 =>
  support === false || (process.env['NO_COLOR'] ?? '') !== '' ? 0 : support.level;

/** For what is written to stdout. */
export const onStdout = new Chalk({ level: levelOf(supportsColor) });

/** For what is written to stderr: progress, warnings, errors. */
export const onStderr = new Chalk({ level: levelOf(supportsColorStderr) });
