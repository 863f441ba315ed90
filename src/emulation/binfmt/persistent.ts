/**
 * Entries that stay: `binfmt register` puts them into the host's table until the next boot, or with a file for
 * systemd-binfmt beyond it; `binfmt unregister` takes them away. They have names and marks of their own, so that no
 * build ever removes one, and they never a build's.
 */
import { existsSync } from 'node:fs';
import { ArchBuildError } from '../../errors.ts';
import { isHostRoot, isRoot } from '../../sys/identity.ts';
import type { Architecture } from '../architecture.ts';
import type { BinfmtEntry, Registration } from '../binfmt-entry.ts';
import { effectiveEntry, matchingEntries, readBinfmtState, shadowedEntries } from '../binfmt-state.ts';
import type { Emulator } from '../emulators.ts';
import { elfHeader } from '../probe.ts';
import { relationsOf } from './description.ts';
import { differencesOf } from './differences.ts';
import { configuredEntries, persistentNameOf, removeDropIn, requireDropIns, writeDropIn } from './drop-in.ts';
import { tryEntry } from './entry-trial.ts';
import { addEntry, deleteEntry, disableEntry, entryOfName, removeEntry, useHostTable } from './host-table.ts';
import { markState, PERSISTENT_MARKS, removeMark } from './marks.ts';
import { collectEvidence, ownerOf, type Owner } from './owner.ts';
import { rehearse } from './rehearsal.ts';

export interface PersistentOptions {
  /** Letters of POCF. */
  readonly flags: string;
  /** Also at boot. */
  readonly persist: boolean;
  /** Replace an entry of ours that says something else. */
  readonly replace: boolean;
  /** The host's root directory. */
  readonly root: string;
}

export interface Registered {
  readonly arch: string;
  readonly name: string;
  readonly done: 'registered' | 'unchanged' | 'replaced';
  readonly interpreter: string;
  readonly flags: string;
  /** Of the emulator that really runs; undefined where the machine has no probe. */
  readonly version: string | undefined;
  /** Entries of others that do not get their turn any more. */
  readonly shadows: readonly string[];
  readonly dropIn: string | undefined;
}

/** Throws HOST_INCAPABLE for anybody but root of the initial user namespace. */
export function requireHostRoot(): void {
  if (isHostRoot()) return;
  if (!isRoot()) {
    throw new ArchBuildError('HOST_INCAPABLE', 'only root may change the host’s binfmt_misc', {
      hint: 'run it with sudo; builds do not need it where steps have a table of their own (see `arch-build doctor`)',
    });
  }
  throw new ArchBuildError('HOST_INCAPABLE', 'this is a user namespace, whose root is not the host’s', {
    hint: 'run it on the host itself, outside of containers and `unshare`',
  });
}

/**
 * Rehearses, registers, verifies with a program of the machine, and when that does not run puts back what was there. An entry of ours
 * that is the same already stays; one whose emulator was replaced since is renewed. Throws BINFMT, HOST_INCAPABLE, IO.
 */
export async function registerPersistently(
  architecture: Architecture,
  emulator: Emulator,
  options: PersistentOptions,
): Promise<Registered> {
  requireHostRoot();
  const { magic, mask, arch } = architecture;
  const name = persistentNameOf(arch);
  const registration = { name, magic, mask, interpreter: emulator.path, flags: options.flags };
  if (options.persist) requireDropIns(options.root, registration);
  await rehearse([registration]);
  let changed: Change = UNCHANGED;
  await using _table = await useHostTable(() => {
    changed = change(registration, options);
  });
  try {
    const version = await verify(architecture, registration);
    const dropIn = options.persist ? writeDropIn(options.root, arch, registration) : undefined;
    const { interpreter, flags } = registration;
    const shadows = shadowedEntries(readBinfmtState(), elfHeader(architecture)).map((entry) => entry.name);
    return { arch, name, done: changed.done, interpreter, flags, version, shadows, dropIn };
  } catch (error) {
    changed.undo();
    throw error;
  }
}

interface Change {
  readonly done: Registered['done'];
  /** Puts back what was there before. */
  undo(): void;
}

const UNCHANGED: Change = { done: 'unchanged', undo: () => undefined };

function change(registration: Registration, { replace, root }: PersistentOptions): Change {
  const { name } = registration;
  const entry = entryOfName(name);
  const remove = (): void => {
    removeEntry(name, PERSISTENT_MARKS);
  };
  if (entry === undefined) {
    addEntry(registration, PERSISTENT_MARKS);
    return { done: 'registered', undo: remove };
  }
  const owner = ownerOf(entry, collectEvidence(root)(entry));
  const differences = differencesOf(entry, registration);
  if (owner.kind !== 'arch-build') throw foreign(entry, owner);
  const stale = markState(PERSISTENT_MARKS, name) === 'stale';
  const hidden = relationsOf(readBinfmtState(), entry).state === 'shadowed';
  if (differences.length === 0 && !stale && !(hidden && replace)) return UNCHANGED;
  if (differences.length > 0 && !replace) {
    throw new ArchBuildError('BINFMT', `the entry ${name} is there already and ${differences.join(', ')}`, {
      hint: 'replace it with --replace',
    });
  }
  const putBack = (): void => {
    remove();
    restore(entry);
  };
  deleteEntry(name);
  try {
    addEntry(registration, PERSISTENT_MARKS);
  } catch (error) {
    putBack();
    throw error;
  }
  return { done: 'replaced', undo: putBack };
}

/** A disabled entry comes back disabled. One whose emulator is gone by now cannot come back, and was of no use. */
function restore({ name, interpreter, flags, enabled, match }: BinfmtEntry): void {
  if (match.kind !== 'magic' || !existsSync(interpreter)) return;
  const magic = match.magic.toString('hex');
  const mask = match.mask?.toString('hex') ?? 'ff'.repeat(match.magic.length);
  addEntry({ name, magic, mask, interpreter, flags }, PERSISTENT_MARKS);
  if (!enabled) disableEntry(name);
}

/** The version that runs. Throws BINFMT when the machine's programs do not run, or not through this entry. */
async function verify(
  architecture: Architecture,
  { name, flags }: Registration,
): Promise<string | undefined> {
  const winner = effectiveEntry(readBinfmtState(), elfHeader(architecture));
  if (winner?.name !== name) {
    throw new ArchBuildError('BINFMT', `${name} is not in force: ${winner?.name ?? 'no entry'} is`, {
      hint: `\`arch-build binfmt register ${architecture.arch} --replace\` puts it first`,
    });
  }
  const trial = await tryEntry(architecture);
  const failure = trial?.failure ?? (flags.includes('F') ? trial?.rootFailure : undefined);
  if (failure === undefined) return trial?.version;
  throw new ArchBuildError(
    'BINFMT',
    `${name} was registered, but ${architecture.arch} does not run: ${failure}`,
  );
}

export interface Unregistered {
  readonly arch: string;
  /** The entry, if there was one. */
  readonly name: string | undefined;
  readonly dropIn: string | undefined;
}

/**
 * Removes what is ours of the machine, in the table and at boot. Throws BINFMT when there is nothing of ours but an
 * entry of somebody else runs the machine's programs, or has our name.
 */
export async function unregisterPersistent(
  architecture: Architecture,
  { root }: { readonly root: string },
): Promise<Unregistered> {
  requireHostRoot();
  const { arch } = architecture;
  const name = persistentNameOf(arch);
  const removed = readBinfmtState().mounted && (await removeOwn(name, root));
  const dropIn = removeDropIn(root, arch);
  if (!removed && dropIn === undefined) refuseForeign(architecture, root);
  return { arch, name: removed ? name : undefined, dropIn };
}

async function removeOwn(name: string, root: string): Promise<boolean> {
  let removed = false;
  const remove = (): void => {
    const entry = entryOfName(name);
    if (entry === undefined) return;
    const owner = ownerOf(entry, collectEvidence(root)(entry));
    if (owner.kind !== 'arch-build') throw foreign(entry, owner);
    deleteEntry(name);
    removed = true;
  };
  await using _table = await useHostTable(remove, { evenOff: true });
  removeMark(PERSISTENT_MARKS, name);
  return removed;
}

function refuseForeign(architecture: Architecture, root: string): void {
  const [entry] = matchingEntries(readBinfmtState(), elfHeader(architecture));
  if (entry !== undefined) throw foreign(entry, ownerOf(entry, collectEvidence(root)(entry)));
}

function foreign({ name }: BinfmtEntry, { kind, words, removal }: Owner): ArchBuildError {
  const whose = kind === 'unknown' ? 'was not made by arch-build' : `belongs to ${words}`;
  const hint = kind === 'build' ? removal : `it is left alone; what removes it: ${removal}`;
  return new ArchBuildError('BINFMT', `the entry ${name} ${whose}`, { hint });
}

/** Tells the machines of which something of ours is in the table or at boot. */
export function ownMachines({ root }: { readonly root: string }): (architecture: Architecture) => boolean {
  const state = readBinfmtState();
  const evidenceOf = collectEvidence(root);
  const own = new Set(
    state.entries
      .filter((entry) => ownerOf(entry, evidenceOf(entry)).kind === 'arch-build')
      .map(({ name }) => name),
  );
  for (const [name, { ours }] of configuredEntries(root)) if (ours) own.add(name);
  return ({ arch }) => own.has(persistentNameOf(arch));
}
