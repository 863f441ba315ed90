/** Whose an entry of the host's table is: our marks, the files of those who register at boot, and known names. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BinfmtEntry } from '../binfmt-entry.ts';
import { BINFMT_DIRECTORY } from '../binfmt-state.ts';
import { configuredEntries, isPersistentName, type ConfiguredEntry } from './drop-in.ts';
import { BUILD_MARKS, markState, PERSISTENT_MARKS, type MarkState } from './marks.ts';

export type OwnerKind =
  /** A build of ours, running or killed: the entry goes with the last of them. */
  | 'build'
  /** `binfmt register`, or our file in /etc/binfmt.d. */
  | 'arch-build'
  | 'systemd-binfmt'
  | 'binfmt-support'
  | 'wsl'
  | 'rosetta'
  /** A privileged container that came and went, such as tonistiigi/binfmt and multiarch/qemu-user-static. */
  | 'container-image'
  | 'unknown';

export interface Owner {
  readonly kind: OwnerKind;
  /** For people. */
  readonly words: string;
  /** The file that has it registered at boot. */
  readonly source: string | undefined;
  /** How its owner, or root in the owner's stead, gets rid of it. */
  readonly removal: string;
}

export interface OwnerEvidence {
  readonly build: MarkState;
  readonly persistent: MarkState;
  /** systemd-binfmt's line of the same name. */
  readonly configured: ConfiguredEntry | undefined;
  /** binfmt-support's file of the same name. */
  readonly supported: string | undefined;
  /** The emulator's file exists here. */
  readonly emulatorExists: boolean;
}

/** Reads the folders once; the function gives the evidence about one entry. */
export function collectEvidence(root: string): (entry: BinfmtEntry) => OwnerEvidence {
  const configured = configuredEntries(root);
  const supported = supportedEntries(root);
  return ({ name, interpreter }) => ({
    build: markState(BUILD_MARKS, name),
    persistent: markState(PERSISTENT_MARKS, name),
    configured: configured.get(name),
    supported: supported.get(name),
    emulatorExists: existsSync(interpreter),
  });
}

/** Pure. */
export function ownerOf(entry: BinfmtEntry, evidence: OwnerEvidence): Owner {
  const path = join(BINFMT_DIRECTORY, entry.name);
  const [kind, words, source] = judge(entry, evidence);
  return { kind, words, source, removal: removalOf(kind, { entry, source, path }) };
}

type Judgement = readonly [kind: OwnerKind, words: string, source?: string];

function judge(entry: BinfmtEntry, evidence: OwnerEvidence): Judgement {
  const { configured, supported } = evidence;
  if (evidence.build !== 'none') return ['build', 'a build of arch-build'];
  const sameLine = configured?.interpreter === entry.interpreter;
  if (isPersistentName(entry.name)) {
    if (configured?.ours === true && sameLine) return ['arch-build', 'arch-build', configured.path];
    if (evidence.persistent !== 'none') return ['arch-build', 'arch-build'];
  }
  if (configured !== undefined && (sameLine || supported === undefined))
    return ['systemd-binfmt', 'systemd-binfmt', configured.path];
  if (supported !== undefined) return ['binfmt-support', 'binfmt-support', supported];
  return judgeByName(entry, evidence);
}

function judgeByName({ name, interpreter }: BinfmtEntry, { emulatorExists }: OwnerEvidence): Judgement {
  if (/^WSLInterop/.test(name)) return ['wsl', 'Windows (WSL)'];
  if (name === 'rosetta') return ['rosetta', 'the virtual machine (Rosetta)'];
  const qemu =
    /^qemu-[a-z0-9_]+$/.test(name) && /^\/usr\/bin\/qemu-[a-z0-9_]+(?:-static)?$/.test(interpreter);
  if (!qemu || emulatorExists) return ['unknown', 'unknown'];
  const image = interpreter.endsWith('-static') ? 'multiarch/qemu-user-static' : 'tonistiigi/binfmt';
  return ['container-image', `a container image (such as ${image})`];
}

interface Removal {
  readonly entry: BinfmtEntry;
  readonly source: string | undefined;
  readonly path: string;
}

function removalOf(kind: OwnerKind, { entry, source = '', path }: Removal): string {
  const now = `echo -1 > ${shellWord(path)}`;
  const [, arch = 'all'] = /^arch-build-(.+)-persistent$/.exec(entry.name) ?? [];
  const file = source.split('/').at(-1) ?? '';
  const removals: Partial<Record<OwnerKind, string>> = {
    build: 'it goes with the last build that uses it',
    'arch-build': `arch-build binfmt unregister ${arch}`,
    'systemd-binfmt': `${now}; for good: ln -s /dev/null /etc/binfmt.d/${file}`,
    'binfmt-support': `update-binfmts --disable ${shellWord(entry.name)}`,
  };
  return removals[kind] ?? now;
}

const shellWord = (word: string): string =>
  /^[\w./+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;

function supportedEntries(root: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const folder of ['var/lib/binfmts', 'usr/share/binfmts']) {
    const directory = join(root, folder);
    for (const name of existsSync(directory) ? readdirSync(directory) : [])
      if (!found.has(name)) found.set(name, join(directory, name));
  }
  return found;
}
