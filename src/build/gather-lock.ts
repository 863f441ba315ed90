/** The lock of a build's container images, from and to its file. */
import { existsSync, readFileSync } from 'node:fs';
import type { IdentifiedImage } from '../cluster/gather/gather-images.ts';
import { formatImageLock, parseImageLock, type ImageLock } from '../cluster/gather/lock-file.ts';
import { writeFileAtomic } from '../sys/atomic-file.ts';
import type { GatherOptions } from './options.ts';

/** Empty without a file. Throws GATHER for one that cannot be read. */
export function readLock({ lock }: GatherOptions): ImageLock {
  return lock === undefined || !existsSync(lock)
    ? new Map()
    : parseImageLock(readFileSync(lock, 'utf8'), lock);
}

/** Platforms of earlier builds stay known as long as the name means the same. */
export function writeLock(
  { lock }: GatherOptions,
  images: readonly IdentifiedImage[],
  before: ImageLock,
): void {
  if (lock === undefined) return;
  const entries = images.map(({ name, root, manifests }) => {
    const known = before.get(name);
    const others = known?.root.digest === root.digest ? known.manifests : [];
    return [name, { root, manifests: new Map([...others, ...manifests]) }] as const;
  });
  const text = formatImageLock(new Map(entries));
  if (!existsSync(lock) || readFileSync(lock, 'utf8') !== text) writeFileAtomic(lock, text);
}
