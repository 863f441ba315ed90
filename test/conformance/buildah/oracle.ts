/**
 * What BuildKit made of every case, measured once by `make-oracle.sh` and kept as text, one file per case: the
 * differences of its tree from the base's, and its configuration. A build that failed is one line.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeTree, type ImageTree } from './image-tree.ts';

export const ORACLE = join(import.meta.dirname, '../../../fixtures/oracle/buildah');

export const FAILED = 'fails\n';

/** The text of a case's file. */
export function readOracle(name: string): string {
  return readFileSync(join(ORACLE, `${name}.txt`), 'utf8');
}

/** Of an image's config document, what a Dockerfile decides. */
const FIELDS = [
  'Cmd',
  'Entrypoint',
  'Env',
  'ExposedPorts',
  'Healthcheck',
  'Labels',
  'OnBuild',
  'Shell',
  'StopSignal',
  'User',
  'Volumes',
  'WorkingDir',
] as const;

/**
 * For what BuildKit 0.13 cannot do: buildah's files. Their configurations are not compared.
 */
export const BY_BUILDAH = 'by buildah\n';

/** Relative to the base or to nothing, whichever has fewer lines. */
export function describeImage(
  tree: ImageTree,
  base: ImageTree,
  config: Readonly<Record<string, unknown>> = {},
): string {
  const onBase = describeTree(tree, base);
  const onNothing = describeTree(tree, new Map());
  const files = onBase.length < onNothing.length ? ['on the base', ...onBase] : ['on nothing', ...onNothing];
  const settings = FIELDS.filter((field) => !isEmpty(config[field])).map(
    (field) => `${field} ${JSON.stringify(config[field])}`,
  );
  return [...files, ...settings, ''].join('\n');
}

function isEmpty(value: unknown): boolean {
  // where there is no directory it is the root, and BuildKit writes it into an image on nothing
  if (value === undefined || value === null || value === '' || value === '/') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
