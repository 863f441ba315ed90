/**
 * Programs for another machine than the cluster image is for, wherever they hide: files of the rootfs, archives that
 * are unpacked on hosts (`cri/`, `images/`), archives inside of these, and the layers of gathered images.
 */
import { createReadStream } from 'node:fs';
import { ArchBuildError } from '../../errors.ts';
import { inspectBinary, platformRuns } from '../../emulation/elf-audit.ts';
import { binaryOf, programNames } from '../../layer/audit-programs.ts';
import { formatBytePath } from '../../layer/byte-path.ts';
import { decompress } from '../../layer/decompress.ts';
import { beginningOf, type MergedTree } from '../../layer/merged-tree.ts';
import { readTar, type TarEntry } from '../../layer/tar-reader.ts';
import type { TreeDirectory } from '../../layer/tree-directory.ts';
import type { TreeNode } from '../../layer/tree-node.ts';
import { formatPlatform, platformOfConfig, type Platform } from '../../oci/platform.ts';

export interface Offender {
  /** `/bin/kubelet`, or `/cri/docker.tar.gz!docker/dockerd` for what is in an archive. */
  readonly path: string;
  readonly machine: string;
}

/** Archives in archives in archives are somebody's joke. */
const DEPTH_LIMIT = 3;
const HEAD = 64;
const CONFIG_LIMIT = 4 << 20;

/** Every offender, in order of the paths. */
export async function auditImage(
  tree: MergedTree,
  platform: Platform,
  { isAllowed, signal }: { readonly isAllowed: (path: string) => boolean; readonly signal: AbortSignal },
): Promise<Offender[]> {
  const offenders: Offender[] = [];
  const audit: Audit = { platform, take: (found) => isAllowed(found.path) || offenders.push(found) };
  for (const node of filesOf(tree.root)) {
    signal.throwIfAborted();
    const path = formatBytePath(node.path);
    judge(audit, path, beginning(node));
    if (ARCHIVE.test(path)) await auditArchive(audit, createReadStream(node.host), { path, depth: 1 });
  }
  return offenders;
}

interface Audit {
  readonly platform: Platform;
  readonly take: (offender: Offender) => unknown;
}

/** What hosts unpack, and the blobs of a registry, which are layers or not. */
const ARCHIVE = /^\/(?:cri|images)\/.*\.(?:tar(?:\.\w+)?|tgz)$|^\/registry\/.*\/blobs\/.*\/data$/;
const INNER = /\.tar(?:\.\w+)?$|\.tgz$|(?:^|\/)blobs\/sha256\/[0-9a-f]{64}$/;

/** Directories below which a file can be an archive that hosts unpack. */
const ARCHIVES = /^(?:cri|images|registry)(?:\/|$)/;

/** All that may be programs or archives: to look at each file of an image takes long. */
function* filesOf(directory: TreeDirectory): Generator<TreeNode> {
  const programs = ARCHIVES.test(directory.path) ? undefined : programNames(directory);
  for (const name of programs ?? directory.names()) {
    const node = directory.lookup(name);
    const child = node?.type === 'directory' ? directory.open(name) : undefined;
    if (child !== undefined) yield* filesOf(child);
    if (node?.type === 'file') yield node;
  }
}

const beginning = (file: TreeNode): Buffer =>
  file.stat.size < BigInt(HEAD) ? Buffer.alloc(0) : beginningOf(file, HEAD);

function judge({ platform, take }: Audit, path: string, head: Uint8Array): void {
  const binary = inspectBinary(head);
  if (binary !== undefined && !platformRuns(platform, binary.machine))
    take({ path, machine: binary.machine });
}

/** What is no archive has nothing to find in it. */
async function auditArchive(
  audit: Audit,
  input: AsyncIterable<Uint8Array>,
  { path, depth }: { readonly path: string; readonly depth: number },
): Promise<void> {
  try {
    const { data } = await decompress(input);
    for await (const entry of readTar(data)) await auditEntry(audit, entry, { path, depth });
  } catch (error) {
    if (!(error instanceof ArchBuildError) || error.code !== 'LAYER_INVALID') throw error;
  }
}

async function auditEntry(
  audit: Audit,
  entry: TarEntry,
  { path, depth }: { readonly path: string; readonly depth: number },
): Promise<void> {
  if (entry.type !== 'file') return;
  const name = Buffer.from(entry.path, 'latin1')
    .toString('utf8')
    .replace(/^\.?\//, '');
  const inside = `${path}!${name}`;
  if (INNER.test(name) && depth < DEPTH_LIMIT) {
    await auditArchive(audit, entry.body(), { path: inside, depth: depth + 1 });
    return;
  }
  if (/\.json$/.test(name) && entry.size <= CONFIG_LIMIT) {
    judgeConfig(audit, inside, await textOf(entry));
    return;
  }
  const binary = await binaryOf(entry, inspectBinary);
  if (binary !== undefined && !platformRuns(audit.platform, binary.machine))
    audit.take({ path: inside, machine: binary.machine });
}

async function textOf(entry: TarEntry): Promise<string> {
  if (entry.content !== undefined) return entry.content.toString('utf8');
  const chunks: Buffer[] = [];
  for await (const chunk of entry.body()) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

/** The config of an image in an archive says what it is for. */
function judgeConfig({ platform, take }: Audit, path: string, text: string): void {
  let config: { architecture?: unknown; os?: unknown; rootfs?: unknown } | null;
  try {
    config = JSON.parse(text) as typeof config;
  } catch {
    return;
  }
  if (
    typeof config?.architecture !== 'string' ||
    typeof config.os !== 'string' ||
    config.rootfs === undefined
  )
    return;
  const { architecture, os } = config;
  const actual = platformOfConfig({ os, architecture });
  if (!platformRuns(platform, actual.architecture)) take({ path, machine: formatPlatform(actual) });
}
