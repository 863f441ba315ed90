/**
 * Remembers what an emulator file was found to be, keyed by everything that changes when the file does, so that not
 * every build hashes and starts each emulator again. Only a memory: losing it costs time, nothing else.
 */
import { readFileSync, statSync, type BigIntStats } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import { writeFileAtomic } from '../sys/atomic-file.ts';

/** What is worth remembering about a program: it takes a hash of 15 MB and a process to find out. */
export interface EmulatorIdentity {
  /** The qemu target it emulates. */
  readonly target: string;
  readonly version: string;
  /** Hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

interface Remembered extends EmulatorIdentity {
  readonly state: string;
}

export class EmulatorMemory {
  readonly #file: string | undefined;
  readonly #known: Map<string, Remembered>;

  /** `storeDirectory` is the root of the store; without one nothing is kept beyond this object. */
  constructor(storeDirectory: string | undefined) {
    this.#file = storeDirectory === undefined ? undefined : join(storeDirectory, 'emulators', 'seen.json');
    this.#known = this.#file === undefined ? new Map<string, Remembered>() : load(this.#file);
  }

  recall(path: string, stats: BigIntStats): EmulatorIdentity | undefined {
    const found = this.#known.get(path);
    if (found?.state !== stateOf(stats)) return undefined;
    const { state: _, ...identity } = found;
    return identity;
  }

  remember(path: string, stats: BigIntStats, identity: EmulatorIdentity): void {
    this.#known.set(path, { ...identity, state: stateOf(stats) });
    if (this.#file !== undefined) save(this.#file, this.#known);
  }
}

const stateOf = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  [dev, ino, size, mtimeNs, ctimeNs].join(' ');

/** Anything that is not what `save` writes is as good as nothing. */
function load(file: string): Map<string, Remembered> {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (!Array.isArray(parsed)) return new Map();
    return new Map(parsed.filter(isRecord).map(([path, remembered]) => [path, remembered]));
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) !== undefined) return new Map();
    throw error;
  }
}

function isRecord(value: unknown): value is [string, Remembered] {
  if (!Array.isArray(value) || typeof value[0] !== 'string') return false;
  const remembered = value[1] as Partial<Record<keyof Remembered, unknown>> | null | undefined;
  const texts = [remembered?.state, remembered?.target, remembered?.version, remembered?.sha256];
  return texts.every((text) => typeof text === 'string') && typeof remembered?.sizeBytes === 'number';
}

/** A read-only or absent store is no reason to stop; a store is never made just for this. */
function save(file: string, known: ReadonlyMap<string, Remembered>): void {
  try {
    statSync(join(file, '..', '..'));
    writeFileAtomic(file, `${JSON.stringify([...known], undefined, 1)}\n`);
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
  }
}
