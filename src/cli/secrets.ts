/** `--secret` and `--ssh` of the command line, as docker buildx has them. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Secret } from '../build/options.ts';
import { ArchBuildError, systemErrorCode } from '../errors.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** `id=ID[,src=FILE|,env=NAME]`. With an id alone, the variable of that name, else the file. Throws USAGE. */
export function secretsOf(words: readonly string[], environment: Environment): Map<string, Secret> {
  return new Map(words.map((word) => secretOf(word, environment)));
}

const SECRET_KEYS = ['id', 'src', 'source', 'env', 'type'];

function secretOf(word: string, environment: Environment): [string, Secret] {
  const fields = new Map(word.split(',').map((field) => pairOf(field)));
  const id = fields.get('id');
  const unknown = [...fields.keys()].find((key) => !SECRET_KEYS.includes(key));
  if (id === undefined || id === '' || unknown !== undefined) {
    throw new ArchBuildError('USAGE', `--secret ${JSON.stringify(word)} is not understood`, {
      hint: 'write --secret id=NAME,src=FILE or --secret id=NAME,env=VARIABLE',
    });
  }
  const path = fields.get('src') ?? fields.get('source');
  const isVariable = fields.get('type') === 'env';
  if (path !== undefined && !isVariable) return [id, { path: fileOf(id, path) }];
  const name = fields.get('env') ?? path ?? id;
  const value = environment[name];
  if (value !== undefined) return [id, { value }];
  if (fields.has('env') || isVariable)
    throw new ArchBuildError('USAGE', `--secret ${id}: the variable ${name} is not set`);
  return [id, { path: fileOf(id, id) }];
}

/** Looked at before anything runs: the step that needs it may be hours away. */
function fileOf(id: string, word: string): string {
  const path = resolve(word);
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    const code = systemErrorCode(error) ?? String(error);
    throw new ArchBuildError('USAGE', `--secret ${id}: cannot read ${path}: ${code}`);
  }
  if (statSync(path).isDirectory())
    throw new ArchBuildError('USAGE', `--secret ${id}: ${path} is a directory`);
  return path;
}

function pairOf(field: string): [string, string] {
  const equals = field.indexOf('=');
  return equals < 0 ? [field, ''] : [field.slice(0, equals), field.slice(equals + 1)];
}

/** `default` (the agent of $SSH_AUTH_SOCK) or `ID[=SOCKET]`. Throws USAGE. */
export function sshAgentsOf(words: readonly string[], environment: Environment): Map<string, string> {
  return new Map(
    words.map((word) => {
      const [id, path] = pairOf(word);
      return [id, socketOf(id, path === '' ? environment['SSH_AUTH_SOCK'] : resolve(path))];
    }),
  );
}

function socketOf(id: string, path: string | undefined): string {
  if (path === undefined || path === '')
    throw new ArchBuildError('USAGE', `--ssh ${id}: no agent runs here ($SSH_AUTH_SOCK is not set)`, {
      hint: 'start one with `eval $(ssh-agent) && ssh-add`',
    });
  if (existsSync(path) && statSync(path).isSocket()) return path;
  throw new ArchBuildError('USAGE', `--ssh ${id}: ${path} is not the socket of an agent`, {
    hint: 'for a key, add it to an agent with `ssh-add KEY` and name the agent',
  });
}
