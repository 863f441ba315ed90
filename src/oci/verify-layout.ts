/**
 * What must hold of the files an image comes in, a layout directory or an archive, beyond the images in it: nothing is
 * there that no image needs, and the names are such that others find the images by them.
 */
import { FULL_NAME, REF_NAME } from './annotations.ts';
import { parseDigest } from './digest.ts';
import type { Descriptor } from './descriptor.ts';
import type { Finding } from './verify.ts';

export interface LayoutFacts {
  /** Files by path within the layout; directories are left out. */
  readonly files: readonly string[];
  /** What the images reach. */
  readonly reached: ReadonlySet<string>;
  /** The entries of index.json; undefined where there is none. */
  readonly entries: readonly Descriptor[] | undefined;
  /** Files that something else than an image's documents names: those of a docker archive. */
  readonly named: ReadonlySet<string>;
}

/** `where` names the layout. */
export function verifyLayout(facts: LayoutFacts, where: string): Finding[] {
  return [...facts.files.flatMap((path) => fileFindings(path, facts, where)), ...nameFindings(facts, where)];
}

const BLOB_PATH = /^blobs\/([^/]+)\/([^/]+)$/;

/** Files at the top that the formats know. */
const KNOWN_FILES = new Set(['oci-layout', 'index.json', 'manifest.json', 'repositories', 'version']);

function fileFindings(path: string, { reached, named }: LayoutFacts, where: string): Finding[] {
  if (KNOWN_FILES.has(path) || named.has(path)) return [];
  const [, algorithm = '', encoded = ''] = BLOB_PATH.exec(path) ?? [];
  const digest = `${algorithm}:${encoded}`;
  if (algorithm === '')
    return [
      { code: 'layout-file', severity: 'warning', where, path, message: `${path} belongs to no image` },
    ];
  if (!isDigest(digest)) {
    const message = `${path} is not named after a digest`;
    return [{ code: 'layout-blob-name', severity: 'error', where, path, message }];
  }
  if (reached.has(digest)) return [];
  const message = `${digest} belongs to no image`;
  return [{ code: 'layout-unreferenced', severity: 'warning', where, digest, path, message }];
}

function isDigest(text: string): boolean {
  try {
    parseDigest(text);
    return true;
  } catch {
    return false;
  }
}

/** Source: OCI image-spec annotations.md, the grammar of `org.opencontainers.image.ref.name`. */
const REF_PATTERN =
  /^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:\/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$/;

function nameFindings({ entries = [] }: LayoutFacts, where: string): Finding[] {
  const users = new Map<string, string>();
  return entries.flatMap(({ digest, annotations = {} }): Finding[] => {
    const refName = annotations[REF_NAME];
    const name = annotations[FULL_NAME] ?? refName;
    const finding = (severity: Finding['severity'], message: string): Finding[] => [
      { code: 'layout-name', severity, where, digest, message },
    ];
    if (name === undefined) return finding('warning', `${digest} has no name in index.json`);
    const before = users.get(name);
    users.set(name, digest);
    if (before !== undefined)
      return finding('error', `two entries of index.json have the name ${JSON.stringify(name)}`);
    return refName === undefined || REF_PATTERN.test(refName)
      ? []
      : finding('error', `not a name for an image: ${JSON.stringify(refName.slice(0, 200))}`);
  });
}
