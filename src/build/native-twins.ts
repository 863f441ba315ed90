/**
 * What a step is given so that programs of its base run natively: those that the same image for the host's platform has
 * too (emulation/twins/). Found once for each base and platform, when the first step runs.
 */
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { architectureOf, hostArchitecture } from '../emulation/architecture.ts';
import type { Acceleration } from '../emulation/emulation-request.ts';
import { hostPlatform } from '../emulation/host.ts';
import type { StepEmulation } from '../emulation/ladder.ts';
import type { TwinSet } from '../emulation/twins/find-twins.ts';
import type { RootFiles } from '../emulation/twins/root-files.ts';
import { toBytePath } from '../layer/byte-path.ts';
import { MergedTree, readLink } from '../layer/merged-tree.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import type { StepMount } from '../sys/step-mounts.ts';
import { readXattr } from '../sys/xattr.ts';
import { ensureRootfs, readImage, type BaseImage, type BaseOrigin } from './base-image.ts';
import type { BaseImages } from './base-images.ts';
import type { Job } from './options.ts';
import { SharedWork } from './shared-work.ts';

/** The front looks there (emulators/front/table.h). */
const TWINS = '/dev/twins';

interface Accelerated {
  readonly platform: Platform;
  readonly origin?: BaseOrigin | undefined;
}

export class NativeTwins {
  readonly #job: Job;
  readonly #bases: BaseImages;
  readonly #accelerate: Acceleration;
  readonly #directories = new SharedWork<string, string | undefined>();

  constructor(job: Job, bases: BaseImages, accelerate: Acceleration) {
    this.#job = job;
    this.#bases = bases;
    this.#accelerate = accelerate;
  }

  /**
   * Nothing for a native step and where acceleration is off. Where it cannot be done, says why, once; throws
   * HOST_INCAPABLE instead where it has to be done.
   */
  async mounts(
    { platform, origin }: Accelerated,
    emulation: Pick<StepEmulation, 'isAccelerated'>,
  ): Promise<StepMount[]> {
    if (!emulation.isAccelerated) return [];
    const key = `${origin?.digest ?? ''} ${formatPlatform(platform)}`;
    const source = await this.#directories.make(key, () => this.#prepare({ platform, origin }));
    return source === undefined
      ? []
      : [{ type: 'bind', kind: 'directory', source, target: TWINS, readOnly: true }];
  }

  async #prepare(base: Accelerated): Promise<string | undefined> {
    const name = base.origin?.name ?? 'the base';
    const set = await this.#find(base);
    if (typeof set === 'string') {
      const text = `programs of ${name} are not accelerated: ${set}`;
      if (this.#accelerate === 'on') throw new ArchBuildError('HOST_INCAPABLE', text);
      this.#job.report({ type: 'info', text });
      return undefined;
    }
    const { writeTwins } = await import('../emulation/twins/write-twins.ts');
    const directory = join(this.#job.store.makeDirectory('twins'), 'twins');
    await writeTwins(set, directory);
    const count = set.programs.length;
    this.#job.report({ type: 'info', text: `accelerated: ${count} programs of ${name} run natively` });
    return directory;
  }

  /** Or why there are none. */
  async #find({ platform, origin }: Accelerated): Promise<TwinSet | string> {
    const machine = architectureOf(platform);
    if (origin?.name === undefined || machine === undefined) return 'it has no name';
    try {
      const [foreign, native] = [
        await this.#image(origin.name, platform),
        await this.#image(origin.name, hostPlatform()),
      ];
      const { findTwins } = await import('../emulation/twins/find-twins.ts');
      return findTwins(this.#filesOf(foreign), this.#filesOf(native), {
        foreign: machine,
        native: hostArchitecture(),
      });
    } catch (error) {
      if (error instanceof ArchBuildError && error.code !== 'INTERRUPTED') return error.message;
      throw error;
    }
  }

  async #image(name: string, platform: Platform): Promise<BaseImage> {
    const root = await this.#bases.resolve(name, platform);
    const image = readImage(this.#job.store, { name, root, platform, reach: 'architecture' });
    await ensureRootfs(this.#job, image);
    return image;
  }

  #filesOf({ chain }: BaseImage): RootFiles {
    const tree = new MergedTree(this.#job.store.snapshots.trees(chain));
    return { lstat: (path) => lookUp(tree, path) };
  }
}

function lookUp(tree: MergedTree, path: string): ReturnType<RootFiles['lstat']> {
  const node = tree.lookup(toBytePath(path));
  if (node === undefined) return undefined;
  const { type, stat, host } = node;
  return {
    kind: type === 'file' || type === 'directory' || type === 'symlink' ? type : 'other',
    mode: Number(stat.mode),
    sizeBytes: Number(stat.size),
    hostPath: host.toString(),
    ...(type === 'symlink' ? { linkTarget: readLink(node) } : {}),
    ...(type === 'file' ? { hasCapabilities: readXattr(host, 'security.capability') !== undefined } : {}),
  };
}
