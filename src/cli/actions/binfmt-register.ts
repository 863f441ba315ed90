/** `binfmt register`, `unregister`: entries of the host's table that stay. */
import { ARCHITECTURES, type Architecture } from '../../emulation/architecture.ts';
import { FULL_FLAGS } from '../../emulation/binfmt-entry.ts';
import {
  canBeRegistered,
  lastingEmulator,
  type LastingOptions,
} from '../../emulation/binfmt/lasting-emulator.ts';
import {
  ownMachines,
  registerPersistently,
  requireHostRoot,
  unregisterPersistent,
  type Registered,
  type Unregistered,
} from '../../emulation/binfmt/persistent.ts';
import { ArchBuildError } from '../../errors.ts';
import { printJson } from '../answer.ts';
import { architecturesNamed } from '../architectures.ts';
import { exitStatusOf, printError } from '../explain.ts';
import type { RegisterFlags, UnregisterFlags } from '../flags.ts';
import type { Globals } from '../globals.ts';
import { formatTable } from '../table.ts';

const ROOT = '/';

/** One machine that is refused does not keep the others from being registered; the exit status tells of it. */
export async function register(
  globals: Globals,
  names: readonly string[],
  flags: RegisterFlags,
): Promise<number> {
  const letters = flagLetters(flags.flags);
  const named = architecturesNamed(names);
  requireHostRoot();
  const persist = flags.persist === true;
  const lasting: LastingOptions = {
    emulator: flags.emulator,
    environment: process.env,
    storeDirectory: globals.root,
    persist,
  };
  const options = { flags: letters, persist, replace: flags.replace === true, root: ROOT };
  const wanted = names.includes('all') ? await registrable(lasting) : named;
  const { done, failures } = await forEach(globals, wanted, async (architecture) =>
    registerPersistently(architecture, await lastingEmulator(architecture, lasting), options),
  );
  if (flags.json === true) printJson(done.map(jsonRegistered));
  else if (done.length > 0) process.stdout.write(formatRegistered(done));
  for (const { arch, shadows } of done)
    if (shadows.length > 0)
      process.stderr.write(`${arch}: ${shadows.join(', ')} does not get its turn any more\n`);
  return statusOf(failures);
}

export async function unregister(
  globals: Globals,
  names: readonly string[],
  flags: UnregisterFlags,
): Promise<number> {
  const named = architecturesNamed(names);
  requireHostRoot();
  const wanted = names.includes('all') ? ARCHITECTURES.filter(ownMachines({ root: ROOT })) : named;
  const { done, failures } = await forEach(globals, wanted, (architecture) =>
    unregisterPersistent(architecture, { root: ROOT }),
  );
  if (flags.json === true) {
    printJson(done.map(({ arch, name, dropIn }) => ({ arch, name: name ?? null, dropIn: dropIn ?? null })));
  } else {
    if (wanted.length === 0) process.stderr.write('nothing of arch-build is registered\n');
    for (const each of done) process.stdout.write(`${each.arch}: ${wordsFor(each)}\n`);
  }
  return statusOf(failures);
}

/** In the order an entry has; each letter once. Throws USAGE for letters that are not known here. */
function flagLetters(text: string): string {
  const unknown = Array.from(text).filter((letter) => !FULL_FLAGS.includes(letter));
  if (unknown.length > 0) {
    throw new ArchBuildError('USAGE', `unknown flags ${JSON.stringify(unknown.join(''))}`, {
      hint: 'known are P (keep argv[0]), O (open the program for the emulator), C (use the program’s credentials), F (open the emulator now)',
    });
  }
  return Array.from(FULL_FLAGS)
    .filter((letter) => text.includes(letter))
    .join('');
}

async function registrable(options: LastingOptions): Promise<Architecture[]> {
  const found: Architecture[] = [];
  for (const architecture of ARCHITECTURES)
    if (await canBeRegistered(architecture, options)) found.push(architecture);
  if (found.length > 0) return found;
  throw new ArchBuildError('EMULATOR_MISSING', 'no machine has an emulator on this host', {
    hint: 'run `arch-build emulators fetch all`',
  });
}

interface Results<T> {
  readonly done: readonly T[];
  readonly failures: readonly ArchBuildError[];
}

async function forEach<T>(
  { signal }: Globals,
  architectures: readonly Architecture[],
  action: (architecture: Architecture) => Promise<T>,
): Promise<Results<T>> {
  const done: T[] = [];
  const failures: ArchBuildError[] = [];
  for (const architecture of new Set(architectures)) {
    if (signal.aborted) failures.push(new ArchBuildError('INTERRUPTED', 'interrupted'));
    if (signal.aborted) break;
    try {
      done.push(await action(architecture));
    } catch (error) {
      if (!(error instanceof ArchBuildError)) throw error;
      failures.push(error);
    }
  }
  return { done, failures };
}

function statusOf(failures: readonly ArchBuildError[]): number {
  // what is wrong with the table is wrong for every machine
  for (const failure of new Map(failures.map((each) => [each.message, each])).values()) printError(failure);
  return failures[0] === undefined ? 0 : exitStatusOf(failures[0]);
}

const DONE: Readonly<Record<Registered['done'], string>> = {
  registered: 'registered',
  unchanged: 'already registered',
  replaced: 'registered again',
};

function formatRegistered(results: readonly Registered[]): string {
  const rows = results.map(({ arch, name, done, flags, version, interpreter, dropIn }) => [
    arch,
    DONE[done],
    name,
    flags === '' ? '-' : flags,
    version ?? '-',
    interpreter,
    dropIn ?? 'until reboot',
  ]);
  return formatTable(['ARCH', 'STATE', 'ENTRY', 'FLAGS', 'QEMU', 'INTERPRETER', 'LASTS'], rows);
}

const jsonRegistered = ({ version, dropIn, ...rest }: Registered): object => ({
  ...rest,
  version: version ?? null,
  dropIn: dropIn ?? null,
});

function wordsFor({ name, dropIn }: Unregistered): string {
  if (name === undefined && dropIn === undefined) return 'was not registered';
  const parts = [name === undefined ? [] : `the entry ${name}`, dropIn ?? []].flat();
  return `removed ${parts.join(' and ')}`;
}
