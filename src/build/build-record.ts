/** The record every build leaves in the store: what was made, on which rung, with which emulator. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { EmulationRecord } from '../emulation/emulation-record.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { formatPlatform } from '../oci/platform.ts';
import type { Store } from '../store/store.ts';
import { writeFileAtomic } from '../sys/atomic-file.ts';
import type { BuildOptions } from './options.ts';

export interface BuildFacts {
  readonly started: Date;
  readonly options: BuildOptions;
  readonly root: Descriptor;
  readonly manifests: readonly Descriptor[];
  readonly emulation: EmulationRecord;
}

/** Returns the record's file name. Build arguments are named, not valued: they may be secrets. */
export function writeBuildRecord(
  store: Store,
  { started, options, root, manifests, emulation }: BuildFacts,
): string {
  const stamp = started.toISOString().replace(/[:.]/g, '-');
  const name = `${stamp}-${randomBytes(4).toString('hex')}.json`;
  const record = {
    started: started.toISOString(),
    finished: new Date().toISOString(),
    file: options.file.path,
    context: options.contextName ?? options.context,
    tags: options.tags,
    buildArgs: Object.keys(options.buildArgs),
    digest: root.digest,
    platforms: manifests.map(({ digest, platform }) => ({
      platform: platform === undefined ? '' : formatPlatform(platform),
      digest,
    })),
    emulation,
  };
  writeFileAtomic(join(store.layout.builds, name), `${JSON.stringify(record, null, 2)}\n`);
  return name;
}
