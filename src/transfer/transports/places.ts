/** The table of transports, and what a word of the command line means by it. */
import { ArchBuildError } from '../../errors.ts';
import { dockerArchiveTransport, ociArchiveTransport } from './archive.ts';
import { directoryTransport } from './directory.ts';
import { layoutTransport } from './layout.ts';
import { registryTransport } from './registry.ts';
import { storeTransport } from './store.ts';
import type { Place, Transport } from './transport.ts';
import { FOREIGN } from './words.ts';

export const TRANSPORTS: readonly Transport[] = [
  storeTransport,
  registryTransport,
  layoutTransport,
  ociArchiveTransport,
  dockerArchiveTransport,
  directoryTransport,
];

/** A word without a transport is taken for `otherwise`. `more`: transports of whoever asks. Throws USAGE, REFERENCE_INVALID. */
export function parsePlace(text: string, otherwise: Transport, more: readonly Transport[] = []): Place {
  const known = [...TRANSPORTS, ...more];
  const transport = known.find(({ prefix }) => text.startsWith(prefix));
  if (transport !== undefined) return transport.place(text.slice(transport.prefix.length), text);
  if (FOREIGN.test(text) || text.includes('://')) {
    throw new ArchBuildError('USAGE', `${JSON.stringify(text)} is in no place that is known here`, {
      hint: `known are ${known.map(({ syntax }) => syntax).join(', ')}`,
    });
  }
  return otherwise.place(text, text);
}
