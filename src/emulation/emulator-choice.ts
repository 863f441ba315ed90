/** What `--emulator` and `--emulator-cpu` say: a value for every machine, or `MACHINE=VALUE` for one. */
import { resolve } from 'node:path';
import { architectureByName, architectureOf, type Architecture } from './architecture.ts';
import { looksLikeVersion } from './emulator-version.ts';
import type { LookupOptions } from './emulators.ts';
import { ArchBuildError } from '../errors.ts';
import { parsePlatform } from '../oci/platform.ts';

/** Words of the command line, in order. */
export type Choices = readonly string[];

type Chosen = Pick<LookupOptions, 'explicit' | 'version'>;

/** How the emulator of this machine is to be looked up: by paths, by version, or (no word is about it) as usual. */
export function chosenEmulator(choices: Choices, architecture: Architecture): Chosen {
  const values = valuesFor(choices, architecture);
  const version = values.findLast(looksLikeVersion);
  const paths = values.filter((value) => !looksLikeVersion(value)).map((path) => resolve(path));
  return {
    ...(version === undefined ? {} : { version }),
    ...(paths.length === 0 ? {} : { explicit: paths }),
  };
}

/** The last word counts. */
export const chosenCpu = (choices: Choices, architecture: Architecture): string | undefined =>
  valuesFor(choices, architecture).at(-1);

/** A word about the machine itself counts more than one about all. */
function valuesFor(choices: Choices, { emulator }: Architecture): string[] {
  const split = choices.map(splitChoice);
  const own = split.filter(({ machine }) => machine?.emulator === emulator);
  const used = own.length > 0 ? own : split.filter(({ machine }) => machine === undefined);
  return used.map(({ value }) => value);
}

interface Choice {
  readonly machine: Architecture | undefined;
  readonly value: string;
}

/** What stands before `=` is a machine only when it is the name of one: paths and CPU models have `=` too. Throws USAGE. */
function splitChoice(word: string): Choice {
  const [, name = '', value = ''] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
  const machine = machineNamed(name);
  const choice = machine === undefined ? { machine, value: word } : { machine, value };
  if (choice.value !== '') return choice;
  throw new ArchBuildError('USAGE', `nothing is chosen by ${JSON.stringify(word)}`, {
    hint: 'write a value, or MACHINE=VALUE such as aarch64=10.0.13',
  });
}

function machineNamed(name: string): Architecture | undefined {
  if (!name.includes('/')) return architectureByName(name);
  try {
    return architectureOf(parsePlatform(name));
  } catch {
    return undefined; // a path
  }
}
