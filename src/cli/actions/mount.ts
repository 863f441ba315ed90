/** `mount`, `umount`. */
import { resolve } from 'node:path';
import { mountRegistry, mountRootfs, type MountRequest } from '../../deploy/mount-image.ts';
import { mountedImages, unmountImage, type MountedImage } from '../../deploy/mounted-images.ts';
import { hostPlatform } from '../../emulation/host.ts';
import { ArchBuildError } from '../../errors.ts';
import { matchesPlatform } from '../../oci/platform.ts';
import {
  describeImage,
  pickPlatform,
  type ImageDetails,
  type PlatformImage,
} from '../../store/image-details.ts';
import type { MountRecord } from '../../store/mount-records.ts';
import { requireMountRights } from '../../sys/lasting-mount.ts';
import { printJson } from '../answer.ts';
import { platformFlag } from '../architectures.ts';
import type { MountFlags, PlatformFlags, UnmountFlags } from '../flags.ts';
import { storeFor, type Globals } from '../globals.ts';
import { formatTable } from '../table.ts';

interface Operands {
  readonly image: string | undefined;
  readonly directory: string | undefined;
}

export async function mount(
  globals: Globals,
  { image, directory }: Operands,
  flags: MountFlags,
): Promise<void> {
  if (image === undefined) return listMounts(globals, flags);
  if (directory === undefined) {
    throw new ArchBuildError('USAGE', 'mount needs a directory', {
      hint: `write \`arch-build mount ${image} DIRECTORY\``,
    });
  }
  requireMountRights('mount', `look at files with \`arch-build run ${image} …\`, or run as root`);
  await using store = await storeFor(globals);
  const details = describeImage(store.blobs, store.images.get(image));
  const writable = flags.rw === true;
  const request: MountRequest = {
    store,
    signal: globals.signal,
    name: image,
    image: details,
    target: directory,
    writable,
  };
  const record = await mountEither(request, flags);
  if (flags.json === true) printJson(jsonOf({ ...record, here: true }));
  else process.stdout.write(`${record.target}\n`);
}

async function mountEither(request: MountRequest, flags: MountFlags): Promise<MountRecord> {
  if (flags.registry !== true) return mountRootfs(request, choosePlatform(request.image, flags));
  if (flags.platform === undefined) return mountRegistry(request);
  const { image } = request;
  return mountRegistry({ ...request, image: { ...image, platforms: [choosePlatform(image, flags)] } });
}

/** Asked for; else the host's, when the image has it; else the only one there is. */
function choosePlatform(details: ImageDetails, flags: PlatformFlags): PlatformImage {
  const host = hostPlatform();
  const ours = details.platforms.find(({ platform }) => matchesPlatform(host, platform))?.platform;
  return pickPlatform(details, platformFlag(flags) ?? ours);
}

async function listMounts(globals: Globals, { json }: MountFlags): Promise<void> {
  await using store = await storeFor(globals);
  const mounts = mountedImages(store);
  if (json === true) {
    printJson(mounts.map(jsonOf));
    return;
  }
  const rows = mounts.map(({ image, kind, platforms, writable, target, here }) => [
    image,
    kind === 'registry' ? `registry of ${platforms.join(', ')}` : platforms.join(', '),
    writable ? 'rw' : 'ro',
    here ? target : `${target} (in another mount namespace)`,
  ]);
  process.stdout.write(formatTable(['IMAGE', 'PLATFORM', 'MODE', 'DIRECTORY'], rows));
}

const jsonOf = ({ id, kind, image, digest, platforms, writable, target, here }: MountedImage): object => ({
  id,
  kind,
  image,
  digest,
  platforms,
  writable,
  directory: target,
  here,
});

export async function umount(
  globals: Globals,
  directories: readonly string[],
  { all = false }: UnmountFlags,
): Promise<void> {
  if (all === directories.length > 0) {
    throw new ArchBuildError(
      'USAGE',
      all ? '--all leaves no directory to name' : 'umount needs a directory',
      {
        hint: '`arch-build mount` lists what is mounted; --all takes everything away',
      },
    );
  }
  requireMountRights('umount', 'run as the root that mounted it');
  await using store = await storeFor(globals);
  const targets = all
    ? mountedImages(store)
        .filter(({ here }) => here)
        .map(({ target }) => target)
    : directories;
  for (const target of targets) {
    if (!unmountImage(store, target)) process.stderr.write(`nothing is mounted on ${target}\n`);
    else process.stdout.write(`${resolve(target)}\n`);
  }
}
