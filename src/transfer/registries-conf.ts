/**
 * registries.conf of the containers tools, version 2: which registry is asked under another name, through which
 * mirrors, without TLS, or not at all. Its short names are not for us: `ubuntu` is docker.io's, as with docker.
 * Source: containers-registries.conf(5).
 *
 *   $CONTAINERS_REGISTRIES_CONF alone, else
 *   ~/.config/containers/registries.conf, else /etc/containers/registries.conf, each with the *.conf of
 *   /etc/containers/registries.conf.d and ~/.config/containers/registries.conf.d, the later over the earlier
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from './auth-config.ts';
import { badFile, readToml, tablesIn, type TomlTable } from './toml-file.ts';

export interface Mirror {
  /** `host[:port][/path]` in the place of the prefix. */
  readonly location: string;
  readonly insecure: boolean;
  readonly for: 'all' | 'digest-only' | 'tag-only';
}

export interface RegistryRule {
  /** `host[:port][/path]`, or `*.host`. */
  readonly prefix: string;
  /** Empty: the name stays as it is. */
  readonly location: string;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly Mirror[];
}

const SYSTEM = '/etc/containers';

/** Throws REGISTRY, naming the file, for what cannot be understood. */
export async function readRegistryRules(environment: Environment): Promise<readonly RegistryRule[]> {
  const rules = new Map<string, RegistryRule>();
  for (const path of await filesOf(environment)) {
    const document = await readToml(path);
    for (const rule of document === undefined ? [] : rulesIn(path, document)) rules.set(rule.prefix, rule);
  }
  return [...rules.values()];
}

async function filesOf({ CONTAINERS_REGISTRIES_CONF, HOME }: Environment): Promise<string[]> {
  if (CONTAINERS_REGISTRIES_CONF) return [CONTAINERS_REGISTRIES_CONF];
  const folders = [SYSTEM, ...(HOME ? [join(HOME, '.config/containers')] : [])];
  const mains = folders.map((folder) => join(folder, 'registries.conf'));
  const own = mains[1];
  const main = own !== undefined && (await readToml(own)) !== undefined ? own : mains[0];
  const parts = await Promise.all(folders.map((folder) => confFilesIn(join(folder, 'registries.conf.d'))));
  return [...(main === undefined ? [] : [main]), ...parts.flat()];
}

async function confFilesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => new Array<string>());
  return names
    .filter((name) => name.endsWith('.conf'))
    .sort()
    .map((name) => join(folder, name));
}

function rulesIn(path: string, document: TomlTable): RegistryRule[] {
  if (document['registries'] !== undefined) {
    throw badFile(path, 'it is of version 1; write [[registry]] tables');
  }
  return tablesIn(document['registry']).map((table) => {
    const location = placeIn(path, table, 'location');
    const prefix = placeIn(path, table, 'prefix') || location;
    if (prefix === '') throw badFile(path, 'a [[registry]] has neither prefix nor location');
    if (location === '' && !prefix.startsWith('*.'))
      throw badFile(path, `the prefix ${prefix} has no location`);
    const onlyDigests = table['mirror-by-digest-only'] === true;
    const mirrors = tablesIn(table['mirror']).map((mirror) => mirrorIn(path, mirror, onlyDigests));
    const { insecure, blocked } = table;
    return { prefix, location, insecure: insecure === true, blocked: blocked === true, mirrors };
  });
}

function mirrorIn(path: string, table: TomlTable, onlyDigests: boolean): Mirror {
  const location = placeIn(path, table, 'location');
  if (location === '') throw badFile(path, 'a mirror has no location');
  const said = table['pull-from-mirror'] ?? 'all';
  if (said !== 'all' && said !== 'digest-only' && said !== 'tag-only') {
    throw badFile(path, `pull-from-mirror of ${location} is none of all, digest-only and tag-only`);
  }
  return { location, insecure: table['insecure'] === true, for: onlyDigests ? 'digest-only' : said };
}

function placeIn(path: string, table: TomlTable, key: string): string {
  const value = table[key] ?? '';
  if (typeof value !== 'string') throw badFile(path, `${key} is not a text`);
  if (value.includes('://')) throw badFile(path, `${key} ${value} has a scheme; write the host`);
  return value.replace(/\/+$/, '');
}
