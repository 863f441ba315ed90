/** Everything there is to know about the entries of the host's table, for people who wonder what it does. */
import { join } from 'node:path';
import { systemErrorCode } from '../../errors.ts';
import { hostArchitecture } from '../architecture.ts';
import type { BinfmtEntry } from '../binfmt-entry.ts';
import { effectiveEntry, missingFlags, type BinfmtState } from '../binfmt-state.ts';
import { inspectElf } from '../elf.ts';
import { identifyEmulator, readBeginning } from '../emulator-file.ts';
import { EmulatorMemory } from '../emulator-memory.ts';
import { elfHeader } from '../probe.ts';
import { statsOf } from '../facts/read-text.ts';
import { tryEntry } from './entry-trial.ts';
import { catchesNative, machinesOf, overlap } from './machines.ts';
import { collectEvidence, ownerOf, type Owner, type OwnerEvidence } from './owner.ts';

export interface EmulatorFile {
  readonly exists: boolean;
  /** It is not the file any more that the entry runs (F opens it once and for all). As far as one can tell. */
  readonly changed: boolean;
  readonly linking: 'static' | 'dynamic' | 'unknown' | undefined;
  /** What the file says of itself; the entry may run an older one. */
  readonly version: string | undefined;
  /** Why it cannot be an emulator in another root; continues the sentence "PATH …". */
  readonly objection: string | undefined;
}

export interface EntryDescription extends BinfmtEntry {
  /** `shadowed`: each of its machines' programs goes to an entry registered later. `off`: so is the whole table. */
  readonly state: 'enabled' | 'disabled' | 'shadowed' | 'off';
  /** The machines whose programs it matches. */
  readonly machines: readonly string[];
  readonly catchesNative: boolean;
  /** Letters of POCF. */
  readonly missing: string;
  readonly owner: Owner;
  readonly file: EmulatorFile;
  /** The version of qemu that programs really get, asked through the entry; undefined when it does not tell. */
  readonly running: string | undefined;
  /** Names of enabled entries that come later and match programs of this one too. */
  readonly shadows: readonly string[];
  readonly shadowedBy: readonly string[];
}

export interface DescriptionOptions {
  /** For what is remembered about emulators. */
  readonly storeDirectory: string;
  /** The host's root directory. */
  readonly root: string;
}

/** In the order of the table. Starts a small foreign program for each entry that is in force. */
export async function describeEntries(
  state: BinfmtState,
  options: DescriptionOptions,
): Promise<EntryDescription[]> {
  const evidenceOf = collectEvidence(options.root);
  const memory = new EmulatorMemory(options.storeDirectory);
  const descriptions: EntryDescription[] = [];
  for (const entry of state.entries) {
    const evidence = evidenceOf(entry);
    descriptions.push({
      ...relationsOf(state, entry),
      missing: missingFlags(entry),
      owner: ownerOf(entry, evidence),
      file: await fileOf(state, entry, { evidence, memory }),
      running: await runningVersion(state, entry),
    });
  }
  return descriptions;
}

type Relations = Omit<EntryDescription, 'missing' | 'owner' | 'file' | 'running'>;

/** The pure part: what the entry matches, and how it stands to the others. */
export function relationsOf(state: BinfmtState, entry: BinfmtEntry): Relations {
  const machines = machinesOf(entry);
  const at = state.entries.indexOf(entry);
  const others = (entries: readonly BinfmtEntry[]): string[] =>
    entries.filter((other) => other.enabled && overlap(entry, other)).map(({ name }) => name);
  const inForce = machines.some((machine) => effectiveEntry(state, elfHeader(machine)) === entry);
  const shadowed = machines.length > 0 && !inForce;
  return {
    ...entry,
    state: !entry.enabled ? 'disabled' : !state.enabled ? 'off' : shadowed ? 'shadowed' : 'enabled',
    machines: machines.map(({ arch }) => arch),
    catchesNative: catchesNative(entry),
    shadows: entry.enabled ? others(state.entries.slice(at + 1)) : [],
    shadowedBy: others(state.entries.slice(0, at)),
  };
}

/** Through the first of its machines it is in force for and that has a probe. */
async function runningVersion(state: BinfmtState, entry: BinfmtEntry): Promise<string | undefined> {
  const host = hostArchitecture().arch;
  const machine = machinesOf(entry).find(
    (each) =>
      each.probe !== undefined && each.arch !== host && effectiveEntry(state, elfHeader(each)) === entry,
  );
  return machine === undefined ? undefined : (await tryEntry(machine))?.version;
}

interface Background {
  readonly evidence: OwnerEvidence;
  readonly memory: EmulatorMemory;
}

async function fileOf(
  state: BinfmtState,
  entry: BinfmtEntry,
  { evidence, memory }: Background,
): Promise<EmulatorFile> {
  const changed = entry.flags.includes('F') && hasChanged(state, entry, evidence);
  try {
    const beginning = await readBeginning(entry.interpreter);
    const identity = await identifyEmulator(entry.interpreter, { host: hostArchitecture(), memory });
    return {
      exists: true,
      changed,
      linking: inspectElf(beginning)?.linking,
      version: typeof identity === 'string' ? undefined : identity.version,
      objection: typeof identity === 'string' ? identity : undefined,
    };
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    const exists = code !== 'ENOENT';
    const objection = exists ? `cannot be used: ${code}` : 'does not exist';
    return { exists, changed, linking: undefined, version: undefined, objection };
  }
}

/** Our marks know; of the entries of others the times tell: a file whose inode is younger than the entry. */
function hasChanged({ directory }: BinfmtState, entry: BinfmtEntry, evidence: OwnerEvidence): boolean {
  const marks = [evidence.build, evidence.persistent];
  if (marks.includes('stale')) return true;
  if (marks.includes('ours')) return false;
  const file = statsOf(entry.interpreter);
  const registered = statsOf(join(directory, entry.name));
  return file === undefined || (registered !== undefined && file.ctimeMs > registered.mtimeMs);
}
