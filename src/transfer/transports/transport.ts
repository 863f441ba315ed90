/** What every kind of place for images is: a word in front, a way to read, a way to write. */
import type { ContentSink } from '../../oci/content.ts';
import type { Compression } from '../../oci/media-types.ts';
import type { Platform } from '../../oci/platform.ts';
import type { ImageSet, ImageSource } from '../image-set.ts';
import type { RegistryOptions } from '../registry-options.ts';
import type { TransferJob } from '../transfer-job.ts';

export interface TransportContext extends TransferJob {
  /** What a docker that knows one platform gets of an archive that has several. */
  readonly preferredPlatform: Platform;
  readonly registry?: Omit<RegistryOptions, 'report' | 'signal'>;
}

/** What a destination wants when nobody says otherwise. */
export interface Traits {
  /** How layers that are not packed are packed. */
  readonly packs?: Exclude<Compression, 'none'>;
  /** Its layers cannot be packed: it says why. */
  readonly unpacked?: string;
  /** It takes no index whose manifests are not all there. */
  readonly complete?: boolean;
  /** It holds one platform of an image. */
  readonly single?: boolean;
  /** For chosen platforms the index stays what the name means. */
  readonly keepsIndex?: boolean;
}

/** What a place has already. */
export type Look = Pick<ContentSink, 'has'> & AsyncDisposable;

/** One place, as a user wrote it. */
export interface Place {
  /** As it was written, for messages. */
  readonly text: string;
  readonly traits: Traits;
  /** The host that is asked; undefined for places on this machine. */
  readonly registry?: string;
  /** The caller disposes it. Throws IMAGE_NOT_FOUND, ARCHIVE_INVALID, REGISTRY, NETWORK, IO… */
  open(context: TransportContext): Promise<ImageSource>;
  /** Throws early what writing would for want of a network or a login. Nothing is written. */
  reach?(set: ImageSet, context: TransportContext): Promise<void>;
  /** To see what is there before it is written to. The caller disposes it. Throws what writing throws. */
  look?(context: TransportContext): Promise<Look>;
  /** Content first, names last: whoever finds a name finds all of it. */
  write(set: ImageSet, context: TransportContext): Promise<void>;
}

export interface Transport {
  /** With its colon: `oci:`. */
  readonly prefix: string;
  /** For help and for hints: `oci:DIR[:TAG]`. */
  readonly syntax: string;
  /** `rest` is what follows the prefix. Throws USAGE, REFERENCE_INVALID. */
  place(rest: string, text: string): Place;
}
