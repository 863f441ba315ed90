/** The emulators of one build that have crashed, and what stands in for them. */
import { ArchBuildError } from '../errors.ts';
import type { Architecture } from './architecture.ts';
import type { EmulationRequest } from './emulation-request.ts';
import type { EmulatorRecord } from './emulation-record.ts';
import { lookUpEmulators, versionsOf, type Emulator } from './emulators.ts';
import { pinnedPackages } from './pins.ts';
import { lookupOf } from './rungs.ts';

/** An emulator in use. */
export interface Running {
  readonly architecture: Architecture;
  readonly record: EmulatorRecord;
}

export interface EmulatorSituation {
  readonly running: EmulatorRecord;
  /** Versions that are here too and have not crashed, best first. */
  readonly others: readonly string[];
  /** Versions that could be fetched. */
  readonly pinned: readonly string[];
}

interface Preparation {
  readonly request: EmulationRequest;
  /** Climbs the ladder again, without the versions that have crashed. */
  readonly prepare: () => Promise<void>;
}

export class CrashedEmulators {
  /** In the order of their crashes. */
  readonly records: EmulatorRecord[] = [];
  readonly versions = new Map<string, Set<string>>();

  /** False when no version is left that runs. Throws what `prepare` throws for other reasons. */
  async replace(running: Running, { request, prepare }: Preparation): Promise<boolean> {
    const { architecture, record } = running;
    let next = await nextOf(running, { ...request, crashed: this.versions });
    if (next === undefined) return false; // the one that is there stays
    this.records.push(record);
    this.#pass(architecture, record.version);
    request.report({ type: 'warning', text: announcement(record, next) });
    while (next !== undefined) {
      try {
        await prepare();
        return true;
      } catch (error) {
        if (!(error instanceof ArchBuildError) || error.code !== 'HOST_INCAPABLE') throw error;
        request.report({ type: 'warning', text: error.message });
      }
      this.#pass(architecture, next.version);
      next = await nextOf(running, { ...request, crashed: this.versions });
    }
    return false;
  }

  #pass({ arch }: Architecture, version: string | undefined): void {
    const versions = this.versions.get(arch) ?? new Set();
    if (version !== undefined) versions.add(version);
    this.versions.set(arch, versions);
  }
}

export async function situationOf(running: Running, request: EmulationRequest): Promise<EmulatorSituation> {
  const { emulator } = running.architecture;
  const there = versionsOf(await othersOf(running, request));
  const pinned = versionsOf(pinnedPackages().filter((each) => emulator in each.emulators));
  const seen = new Set([...there, ...(request.crashed?.get(running.record.arch) ?? [])]);
  const isNew = (version: string): boolean => version !== running.record.version && !seen.has(version);
  return { running: running.record, others: there, pinned: pinned.filter(isNew) };
}

const announcement = ({ arch, version = 'of unknown version' }: EmulatorRecord, next: Emulator): string =>
  `a step crashed under qemu ${version} for ${arch}: it runs again with qemu ${next.version}, and so does the rest of the build`;

const nextOf = async (running: Running, request: EmulationRequest): Promise<Emulator | undefined> =>
  (await othersOf(running, request))[0];

/** Another build of the same version would crash in the same way. */
async function othersOf(
  { architecture, record }: Running,
  request: EmulationRequest,
): Promise<readonly Emulator[]> {
  const { usable } = await lookUpEmulators(architecture, lookupOf(request, architecture));
  const crashed = request.crashed?.get(architecture.arch);
  return usable.filter(({ version }) => version !== record.version && crashed?.has(version) !== true);
}
