/** Whoever is given a package is given the licences of all that is in it, and where its source is. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Emulator } from '../emulation/emulators.ts';
import { pinnedPackages, pinnedToolboxes } from '../emulation/pins.ts';
import type { Toolbox } from '../emulation/toolbox.ts';
import { ArchBuildError } from '../errors.ts';
import { tarText, type TarFile } from '../transfer/tar-writer.ts';
import type { RuntimePart } from './runtime.ts';
import { filesBelow } from './tree-file.ts';

const FOLDER = 'licences';

export interface LicensedParts {
  readonly parts: readonly RuntimePart[];
  readonly emulators: readonly Emulator[];
  readonly toolboxes: readonly Toolbox[];
}

/**
 * The texts that are part of the program, those of the runtime's parts, and a notice for each emulator and toolbox.
 * Throws TOOL_MISSING for a part whose licence is not on this host.
 */
export function licenceFiles(root: string, { parts, emulators, toolboxes }: LicensedParts): TarFile[] {
  const files = [
    ...filesBelow(FOLDER, join(root, FOLDER)),
    ...parts.map(licenceOf),
    ...emulators.map(noticeOf),
    ...toolboxes.map(toolboxNotice),
  ];
  return [...new Map(files.map((file) => [file.path, file])).values()];
}

function licenceOf({ name, licence, files, texts }: RuntimePart): TarFile {
  const text = texts.find((path) => existsSync(path));
  if (text === undefined) {
    throw new ArchBuildError(
      'TOOL_MISSING',
      `the licence of ${name} is not on this host, so it cannot be passed on`,
      {
        hint: `looked for it at ${texts.join(', ')}`,
      },
    );
  }
  const head = `${name} (${licence}): ${files.map((file) => `lib/${file}`).join(', ')}\n\n`;
  return tarText(`${FOLDER}/${name.replaceAll(' ', '-')}.txt`, head + readFileSync(text, 'utf8'));
}

function noticeOf({ arch, version, sha256 }: Emulator): TarFile {
  const pinned = pinnedPackages().find(({ emulators }) =>
    Object.values(emulators).some((file) => file.sha256 === sha256),
  );
  const origin =
    pinned === undefined
      ? UNKNOWN_ORIGIN
      : `It is unchanged from ${pinned.package} ${pinned.packageVersion} of ${pinned.distribution} ${pinned.suite}, built from\n` +
        `the source package ${pinned.source}: https://snapshot.debian.org/package/qemu/`;
  const text = `QEMU user-mode emulator for ${arch}, version ${version}
sha256 ${sha256}

Licence: GPL-2.0-only (GPL-2.0.txt), parts under compatible licences. https://www.qemu.org/
${origin}
`;
  return tarText(`${FOLDER}/qemu-${arch}-${version}.txt`, text);
}

const UNKNOWN_ORIGIN = 'It was not fetched by arch-build: whoever passes it on owes its source code.';

function toolboxNotice({ arch, version, sha256 }: Toolbox): TarFile {
  const pinned = pinnedToolboxes().find(({ program }) => program.sha256 === sha256);
  const origin =
    pinned === undefined
      ? UNKNOWN_ORIGIN
      : `It is unchanged from ${pinned.package} ${pinned.packageVersion} of ${pinned.distribution} ${pinned.suite}:\n` +
        'https://snapshot.debian.org/package/busybox/';
  const text = `busybox for ${arch}, version ${version}
sha256 ${sha256}

Licence: GPL-2.0-only (GPL-2.0.txt). https://busybox.net/
${origin}
`;
  return tarText(`${FOLDER}/busybox-${arch}-${version}.txt`, text);
}
