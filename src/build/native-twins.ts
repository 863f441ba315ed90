/**
 * What a step is given so that programs of its base run natively: those that the same image for the host's platform has
 * too (emulation/twins/). Found once for each base and platform, when the first step runs.
 */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { architectureOf, hostArchitecture } from '../emulation/architecture.ts';
import type { Acceleration } from '../emulation/emulation-request.ts';
import { hostPlatform } from '../emulation/host.ts';
import type { StepEmulation } from '../emulation/ladder.ts';
import type { TwinMachines } from '../emulation/twins/find-twins.ts';
import type { RootFiles } from '../emulation/twins/root-files.ts';
import { toBytePath } from '../layer/byte-path.ts';
import { MergedTree, readLink } from '../layer/merged-tree.ts';
import type { ChainId } from '../oci/digest.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import type { StepMount } from '../sys/step-mounts.ts';
import { readXattr } from '../sys/xattr.ts';
import { ensureRootfs, type BaseImage, type BaseOrigin } from './base-image.ts';
import type { BaseImages } from './base-images.ts';
import type { Job } from './options.ts';
import { SharedWork } from './shared-work.ts';

/** The front looks there (emulators/front/table.h). */
const TWINS = '/dev/twins';

/** Of what is kept: counts up when other twins are found, or written otherwise, for the same images. */
const TWINS_EDITION = 1;

type Made = { readonly directory: string } | { readonly fault: string };

interface Accelerated {
  readonly platform: Platform;
  readonly origin?: BaseOrigin | undefined;
}

interface TwinOptions {
  readonly accelerate: Acceleration;
  readonly unpacked?: SharedWork<ChainId, void>;
}

export class NativeTwins {
  readonly #job: Job;
  readonly #bases: BaseImages;
  readonly #accelerate: Acceleration;
  readonly #unpacked: SharedWork<ChainId, void>;
  readonly #directories = new SharedWork<string, string | undefined>();

  /** `unpacked`: the layers that stages unpack at the same time. */
  constructor(job: Job, bases: BaseImages, { accelerate, unpacked = new SharedWork() }: TwinOptions) {
    this.#job = job;
    this.#bases = bases;
    this.#accelerate = accelerate;
    this.#unpacked = unpacked;
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
    const made = await this.#directory(base);
    if ('fault' in made) {
      const text = `programs of ${name} are not accelerated: ${made.fault}`;
      if (this.#accelerate === 'on') throw new ArchBuildError('HOST_INCAPABLE', text);
      this.#job.report({ type: 'info', text });
      return undefined;
    }
    const count = readdirSync(join(made.directory, 'bin')).length;
    this.#job.report({ type: 'info', text: `accelerated: ${count} programs of ${name} run natively` });
    return made.directory;
  }

  async #directory({ platform, origin }: Accelerated): Promise<Made> {
    const machine = architectureOf(platform);
    if (origin?.name === undefined || machine === undefined) return { fault: 'it has no name' };
    const { machineFault } = await import('../emulation/twins/neutral-programs.ts');
    const fault = machineFault(machine.arch); // before an image is brought for nothing
    if (fault !== undefined) return { fault };
    try {
      const foreign = await this.#image(origin.name, platform);
      const native = await this.#image(origin.name, hostPlatform());
      return await this.#make(foreign, native, { foreign: machine, native: hostArchitecture() });
    } catch (error) {
      if (error instanceof ArchBuildError && error.code !== 'INTERRUPTED') return { fault: error.message };
      throw error;
    }
  }

  async #make(foreign: BaseImage, native: BaseImage, machines: TwinMachines): Promise<Made> {
    const { derived } = this.#job.store;
    const key = await this.#key(foreign, native);
    const known = derived.find(key);
    if (known !== undefined) return { directory: known };
    const { findTwins } = await import('../emulation/twins/find-twins.ts');
    const set = findTwins(this.#filesOf(foreign), this.#filesOf(native), machines);
    if (typeof set === 'string') return { fault: set };
    const { writeTwins } = await import('../emulation/twins/write-twins.ts');
    return { directory: await derived.make(key, (directory) => writeTwins(set, directory)) };
  }

  /** A snapshot that was made anew has other files: the twins' table would know none of them. */
  async #key(foreign: BaseImage, native: BaseImage): Promise<string> {
    const { NEUTRAL_PACKAGES } = await import('../emulation/twins/neutral-programs.ts');
    const { snapshots } = this.#job.store;
    const facts = [foreign, native].map(({ chain }) =>
      chain.map((chainId) => [chainId, snapshots.identityOf(chainId)]),
    );
    const text = JSON.stringify([TWINS_EDITION, NEUTRAL_PACKAGES, facts]);
    return `twins-${createHash('sha256').update(text).digest('hex')}`;
  }

  async #image(name: string, platform: Platform): Promise<BaseImage> {
    const image = await this.#bases.named(name, platform);
    await ensureRootfs(this.#job, image, this.#unpacked);
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
    // asked for a few of the files that are looked at
    get hasCapabilities() {
      return type === 'file' && readXattr(host, 'security.capability') !== undefined;
    },
  };
}
