/** Where what steps made is read from and written to besides the store: values of `--cache-from` and `--cache-to`. */
import type { LayerPacking } from '../../transfer/pack-layer.ts';

export type CacheSource =
  /** `reference`: full, with a tag. */
  | { readonly type: 'registry'; readonly reference: string }
  | { readonly type: 'local'; readonly directory: string; readonly tag: string };

/** `min`: what the image itself is made of; `max`: all stages. */
export type CacheMode = 'min' | 'max';

export type CacheTarget =
  | (CacheSource & {
      readonly mode: CacheMode;
      /** A target that cannot be written to is worth a warning only. */
      readonly ignoreError: boolean;
      /** Of the layers; plain without it. */
      readonly packing?: LayerPacking;
    })
  /** In the manifests of the image. */
  | { readonly type: 'inline' };

export type OwnTarget = Exclude<CacheTarget, { readonly type: 'inline' }>;

export const describeCache = (cache: CacheSource): string =>
  cache.type === 'registry' ? cache.reference : `${cache.directory}:${cache.tag}`;
