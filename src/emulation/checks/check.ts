/** A diagnostic is one row: what it looks at, and how it judges the facts. Pure: the facts are gathered before. */
import type { HostFacts } from '../facts/host-facts.ts';

export type CheckState = 'ok' | 'warn' | 'fail' | 'info';

/**
 * What to do. The text people read is made of the commands where there are some, so that it cannot say anything else
 * than what `doctor --fix` does.
 */
export interface Fix {
  /** Each runs as it stands, one after the other. Empty when the matter is a person's. */
  readonly commands: readonly (readonly string[])[];
  /** `doctor`: --fix runs them. `person`: a command with consequences to think about. `shell`: to be said in the shell that starts arch-build. */
  readonly by: 'doctor' | 'person' | 'shell';
  readonly needsRoot: boolean;
  /** Instead of the commands, or about them. */
  readonly note: string;
}

export interface Finding {
  readonly state: CheckState;
  /** What is true here. */
  readonly found: string;
  /** Why it matters; for everything that is not in order. */
  readonly why?: string;
  readonly fix?: Fix;
  /** The machine it is about, when it is about one. */
  readonly arch?: string;
}

export interface Check {
  readonly id: string;
  readonly title: string;
  /** The rungs that it stands in the way of; none for what only makes builds slower or less faithful. */
  readonly rungs?: readonly string[];
  /** Empty when it does not apply here. */
  readonly run: (facts: HostFacts) => readonly Finding[];
}

export const ok = (found: string): Finding[] => [{ state: 'ok', found }];
export const info = (found: string): Finding[] => [{ state: 'info', found }];

/** What no command can do, in the imperative. */
export const advice = (note: string): Fix => ({ commands: [], by: 'person', needsRoot: false, note });

/** What root does and --fix does for root: this host only, undone by a reboot, no configuration touched. */
export const safely = (...commands: readonly (readonly string[])[]): Fix => ({
  commands,
  by: 'doctor',
  needsRoot: true,
  note: '',
});

/** What root should think about first. */
export const asRoot = (commands: readonly (readonly string[])[], note = ''): Fix => ({
  commands,
  by: 'person',
  needsRoot: true,
  note,
});

/** For the shell that starts arch-build: a child could not do it. */
export const inShell = (command: readonly string[], note = ''): Fix => ({
  commands: [command],
  by: 'shell',
  needsRoot: false,
  note,
});

/** One of our own commands, for anybody; `facts.program` says how the user starts us. */
export const ourselves = ({ program }: HostFacts, words: readonly string[], note = ''): Fix => ({
  commands: [[...program, ...words]],
  by: 'doctor',
  needsRoot: false,
  note,
});

/** Writes a value to a file of /proc or /sys. */
export const writing = (value: string, path: string): readonly string[] => [
  'sh',
  '-c',
  `echo ${value} > ${quote(path)}`,
];

/** The fix as people read it. */
export function fixText({ commands, note }: Fix): string {
  const text = commands.map(commandText).join(' && ');
  if (text === '') return note;
  return note === '' ? text : `${text} (${note})`;
}

/** `sh -c SCRIPT` is the script: it is read by somebody who has a shell. */
export function commandText(argv: readonly string[]): string {
  const [file, option, script] = argv;
  if (file === 'sh' && option === '-c' && argv.length === 3) return script ?? '';
  return argv.map(quote).join(' ');
}

const quote = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;

/** When private tables work, the host's table does not matter to builds: its faults are only worth knowing. */
export const hostTableState = ({ trials }: HostFacts): 'info' | 'warn' =>
  trials.privateBinfmt.works === true && trials.proc.works !== false ? 'info' : 'warn';
