/** STOPSIGNAL: the names of signal(7), with or without SIG, and numbers. */
import { ArchBuildError } from '../errors.ts';

const NAMES =
  'HUP INT QUIT ILL TRAP ABRT IOT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO POLL PWR SYS UNUSED RTMIN RTMAX'.split(
    ' ',
  );
const REALTIME = /^RT(?:MIN\+|MAX-)(?:[1-9]|[12]\d|30)$/;
const LAST_SIGNAL = 64;

/** The text as the config stores it: as written. Throws KUBEFILE_SEMANTICS. */
export function parseStopSignal(text: string): string {
  const name = text.toUpperCase().replace(/^SIG/, '');
  const number = /^\d+$/.test(text) ? Number(text) : undefined;
  const known =
    number === undefined ? NAMES.includes(name) || REALTIME.test(name) : number >= 1 && number <= LAST_SIGNAL;
  if (known) return text;
  throw new ArchBuildError('KUBEFILE_SEMANTICS', `unknown signal ${JSON.stringify(text)}`, {
    hint: 'write a name such as SIGTERM, or a number from 1 to 64',
  });
}
