/** The records that builds leave, for whoever asks how an image came to be. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { StoreLayout } from './layout.ts';

/** Looking further back costs more than an old record is worth. */
const MOST_RECORDS = 1000;

/** The newest one whose image has the digest; undefined for images that were not built here. */
export function findBuildRecord(
  { builds }: Pick<StoreLayout, 'builds'>,
  digest: string,
): Readonly<Record<string, unknown>> | undefined {
  const names = existsSync(builds) ? readdirSync(builds).filter((name) => name.endsWith('.json')) : [];
  for (const name of names.sort().reverse().slice(0, MOST_RECORDS)) {
    const text = readFileSync(join(builds, name), 'utf8');
    if (!text.includes(digest)) continue;
    const record = JSON.parse(text) as Readonly<Record<string, unknown>>;
    if (record['digest'] === digest) return record;
  }
  return undefined;
}
