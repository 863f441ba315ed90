/** What the command line gives to the commands that move images, as commander names it. */
import type { Compression, Family } from '../oci/media-types.ts';
import type { SaveFormat } from '../deploy/save-formats.ts';

export interface RegistryFlags {
  readonly insecure: readonly string[];
}

export interface PlatformsFlags {
  readonly platform: readonly string[];
}

export interface EncodingFlags {
  readonly compression?: Compression;
  readonly compressionLevel?: number;
}

export interface SaveFlags extends PlatformsFlags, RegistryFlags, EncodingFlags {
  readonly output?: string;
  readonly format: SaveFormat;
}

export interface LoadFlags extends PlatformsFlags, RegistryFlags {
  readonly input: string;
}

export interface MergeFlags extends PlatformsFlags, RegistryFlags {
  readonly tag: readonly string[];
}

/** What an entry of an index says in place of what its image says. */
export interface EntryFlags {
  readonly os?: string;
  readonly arch?: string;
  readonly variant?: string;
  readonly osVersion?: string;
  readonly annotation: readonly string[];
}

export interface ManifestCreateFlags extends PlatformsFlags, RegistryFlags {
  readonly amend?: boolean;
  readonly all?: boolean;
  readonly annotation: readonly string[];
}

export interface ManifestAddFlags extends PlatformsFlags, RegistryFlags, EntryFlags {
  readonly all?: boolean;
}

export interface CopyFlags extends PlatformsFlags, RegistryFlags, EncodingFlags {
  readonly forceCompression?: boolean;
  readonly addCompression: readonly string[];
  readonly format?: Family;
  readonly all?: boolean;
}

export interface ImportFlags {
  readonly platform: string;
  readonly message?: string;
}

export type PullFlags = PlatformsFlags & RegistryFlags;

export interface LoginFlags extends RegistryFlags {
  readonly username?: string;
  readonly passwordStdin?: boolean;
}
