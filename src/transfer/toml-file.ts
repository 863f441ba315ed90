/** TOML files of other tools, as far as we read them. */
import { readFile } from 'node:fs/promises';
import { parse, TomlError } from 'smol-toml';
import { ArchBuildError, systemErrorCode } from '../errors.ts';

export type TomlTable = Readonly<Record<string, unknown>>;

/** Undefined when there is no such file. Throws REGISTRY, naming file and line, for one that cannot be read. */
export async function readToml(path: string): Promise<TomlTable | undefined> {
  try {
    return parse(await readFile(path, 'utf8'));
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (error instanceof TomlError) {
      const [what = ''] = error.message.split('\n');
      throw badFile(path, `line ${error.line}: ${what}`);
    }
    throw badFile(path, code ?? 'unknown reason');
  }
}

export const badFile = (path: string, why: string): ArchBuildError =>
  new ArchBuildError('REGISTRY', `cannot use ${path}: ${why}`);

export const isTable = (value: unknown): value is TomlTable =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const tablesIn = (value: unknown): readonly TomlTable[] =>
  Array.isArray(value) ? value.filter(isTable) : [];

/** A text, or several of them, as some keys take both. */
export const textsIn = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value : [value]).filter((each): each is string => typeof each === 'string');
