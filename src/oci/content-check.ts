/** Content is trusted when size and digest are right, and not a byte more than promised is taken. */
import { createHash, type Hash } from 'node:crypto';
import { ArchBuildError } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';
import { algorithmOf } from './digest.ts';

/** For one blob: `update` with every chunk in turn, `finish` after the last. */
export class ContentCheck {
  readonly #promised: Pick<Descriptor, 'digest' | 'size'>;
  readonly #hash: Hash;
  #received = 0;

  constructor(promised: Pick<Descriptor, 'digest' | 'size'>) {
    this.#promised = promised;
    this.#hash = createHash(algorithmOf(promised.digest));
  }

  /** Bytes so far. */
  get received(): number {
    return this.#received;
  }

  /** Throws SIZE_MISMATCH for the first byte too many. */
  update(chunk: Uint8Array): void {
    const { digest, size } = this.#promised;
    this.#received += chunk.length;
    if (this.#received > size)
      throw new ArchBuildError('SIZE_MISMATCH', `${digest} is larger than the promised ${size} bytes`);
    this.#hash.update(chunk);
  }

  /** Throws SIZE_MISMATCH, DIGEST_MISMATCH. */
  finish(): void {
    const { digest, size } = this.#promised;
    if (this.#received !== size) {
      const message = `${digest} has ${this.#received} bytes instead of the promised ${size}`;
      throw new ArchBuildError('SIZE_MISMATCH', message);
    }
    const actual = `${algorithmOf(digest)}:${this.#hash.digest('hex')}`;
    if (actual !== digest) throw new ArchBuildError('DIGEST_MISMATCH', `${digest} arrived as ${actual}`);
  }
}
