/**
 * `--chmod`: octal as it is, symbolic as chmod(1) changes each file's own mode. Without a who every class is meant:
 * there is no umask in a build.
 */
import { ArchBuildError } from '../errors.ts';

/** The permission bits a file gets, from those it has. */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

const SET_IDS = 0o6000;
const READ = 0o444;
const WRITE = 0o222;
const EXECUTE = 0o111;
const ALL = 0o7777;

const CLASSES: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: ALL };
const PERMISSIONS: Readonly<Record<string, number>> = {
  r: READ,
  w: WRITE,
  x: EXECUTE,
  X: 0, // only where there is an x, or a directory
  s: SET_IDS,
  t: 0o1000,
};

interface Action {
  readonly classes: number;
  readonly operator: string;
  /** `rwxXst`, or the class whose permissions are taken. */
  readonly operand: string;
}

const CLAUSE = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/;

/** Throws COPY. */
export function parseChmod(text: string): ModeChange {
  if (/^[0-7]+$/.test(text) && parseInt(text, 8) <= ALL) return () => parseInt(text, 8);
  const clauses = text.split(',').map(parseClause);
  const actions = clauses.flatMap((clause) => clause ?? []);
  if (!clauses.includes(undefined))
    return (mode, isDirectory) => actions.reduce((at, action) => apply(action, at, isDirectory), mode);
  const problem = /^\d+$/.test(text) ? 'is not octal, or more than 7777' : 'is no mode';
  throw new ArchBuildError('COPY', `--chmod=${text} ${problem}`, {
    hint: 'write it like --chmod=755 or --chmod=u=rwX,go=rX',
  });
}

function parseClause(clause: string): Action[] | undefined {
  const found = CLAUSE.exec(clause);
  if (found === null) return undefined;
  const [, who = '', changes = ''] = found;
  const classes = who === '' ? ALL : bitsOf(CLASSES, who);
  return changes
    .split(/(?=[-+=])/)
    .map((change) => ({ classes, operator: change.slice(0, 1), operand: change.slice(1) }));
}

const bitsOf = (table: Readonly<Record<string, number>>, letters: string): number =>
  Array.from(letters).reduce((bits, letter) => bits | (table[letter] ?? 0), 0);

function apply({ classes, operator, operand }: Action, mode: number, isDirectory: boolean): number {
  // A directory keeps its set-id bits unless they are named: they mean something else there.
  const kept = isDirectory && !operand.includes('s') ? SET_IDS : 0;
  const bits = bitsFor(operand, mode, isDirectory) & classes & ~kept;
  if (operator === '+') return mode | bits;
  if (operator === '-') return mode & ~bits;
  const untouched = ~classes | (isDirectory ? SET_IDS & ~(bits & SET_IDS) : 0);
  return (mode & untouched & ALL) | bits;
}

function bitsFor(operand: string, mode: number, isDirectory: boolean): number {
  if (/^[ugo]$/.test(operand)) {
    const own = mode & (CLASSES[operand] ?? 0) & 0o777;
    return [READ, WRITE, EXECUTE].reduce((bits, each) => ((own & each) === 0 ? bits : bits | each), 0);
  }
  const isExecutable = isDirectory || (mode & EXECUTE) !== 0;
  return bitsOf(PERMISSIONS, operand) | (operand.includes('X') && isExecutable ? EXECUTE : 0);
}
