/** `--config FILE`: the text of the file as a tree, and mistakes in it as errors with a place. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { readTree, type YamlTree } from '../../cluster/yaml/tree.ts';
import { YamlError } from '../../cluster/yaml/documents.ts';
import { ArchBuildError, systemErrorCode } from '../../errors.ts';

export interface ConfigFile {
  /** Undefined where it says nothing. */
  readonly tree: YamlTree | undefined;
  /** What its relative paths are relative to. */
  readonly directory: string;
  /** The error for a mistake at a place. */
  readonly mistake: (at: Place, message: string, hint?: string) => ArchBuildError;
}

export type Place = Pick<YamlTree, 'line' | 'column'>;

/** Bytes. Nobody writes as much. */
const LARGEST = 1 << 20;

/** Throws USAGE. */
export function readConfigFile(path: string): ConfigFile {
  const text = readText(path);
  const lines = text.split(/\r?\n/);
  const mistake: ConfigFile['mistake'] = ({ line, column }, message, hint) => {
    const sourceLine = lines[line - 1];
    const location = {
      file: path,
      line,
      column,
      ...(sourceLine === undefined ? {} : { sourceLine }),
    };
    return new ArchBuildError('USAGE', message, { location, ...(hint === undefined ? {} : { hint }) });
  };
  try {
    return { tree: readTree(text), directory: dirname(resolve(path)), mistake };
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw mistake(
      { line: Math.max(1, error.line), column: 1 },
      `this is no YAML we can use: ${error.message}`,
    );
  }
}

/** A program of an ordinary user starts again in a namespace and reads it once more: a pipe would be empty by then. */
function readText(path: string): string {
  const unusable = (why: string, hint?: string): ArchBuildError =>
    new ArchBuildError(
      'USAGE',
      `the config file ${JSON.stringify(path)} is of no use: ${why}`,
      hint === undefined ? {} : { hint },
    );
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const found = fstatSync(file);
    if (found.isDirectory())
      throw unusable(
        'it is a directory',
        'credentials in a directory of docker’s: --authfile DIR/config.json',
      );
    if (!found.isFile()) throw unusable('it is not a regular file');
    if (found.size > LARGEST) throw unusable('it is larger than 1 MiB');
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    if (error instanceof ArchBuildError) throw error;
    if (error instanceof TypeError) throw unusable('it is not UTF-8');
    throw unusable(`it cannot be read: ${systemErrorCode(error) ?? 'unknown reason'}`);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
