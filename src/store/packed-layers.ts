/**
 * What a layer became when it was packed for a registry or an archive: its packed digest, by packer. Only digests are
 * kept, no bytes: with them a registry can be asked whether it has the layer before anything is packed again.
 */
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import { parseDigest, type Digest } from '../oci/digest.ts';
import { writeFileAtomic } from '../sys/atomic-file.ts';
import type { StoreLayout } from './layout.ts';

export interface PackedLayer {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

type Records = Readonly<Record<string, PackedLayer>>;

export class PackedLayers {
  readonly #layout: StoreLayout;

  constructor(layout: StoreLayout) {
    this.#layout = layout;
  }

  /** `packer` names the program, its version and its level: what the bytes depend on. */
  find(layer: Digest, packer: string): PackedLayer | undefined {
    return this.#read(layer)[packer];
  }

  /** What the layer is known to have become, with the packers that made it. */
  variantsOf(layer: Digest): (PackedLayer & { readonly packer: string })[] {
    return Object.entries(this.#read(layer)).map(([packer, packed]) => ({ ...packed, packer }));
  }

  /** All that the layer is known to have become. */
  formsOf(layer: Digest): Digest[] {
    return Object.values(this.#read(layer)).map(({ digest }) => digest);
  }

  put(layer: Digest, packer: string, packed: PackedLayer): void {
    const records = { ...this.#read(layer), [packer]: packed };
    writeFileAtomic(this.#layout.packedLayer(layer), JSON.stringify(records));
  }

  /** Forgets what is known about layers that are gone. */
  sweep(isThere: (layer: Digest) => boolean): void {
    if (!existsSync(this.#layout.packed)) return;
    for (const name of readdirSync(this.#layout.packed)) {
      const hex = name.replace(/\.json$/, '');
      const known = /^[0-9a-f]{64}$/.test(hex) && isThere(parseDigest(`sha256:${hex}`));
      if (!known) rmSync(join(this.#layout.packed, name), { force: true });
    }
  }

  #read(layer: Digest): Records {
    try {
      return JSON.parse(readFileSync(this.#layout.packedLayer(layer), 'utf8')) as Records;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT' || error instanceof SyntaxError) return {};
      throw error;
    }
  }
}
