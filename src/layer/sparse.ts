/**
 * Sparse files in archives: which parts of a file are stored, in the old GNU header and in PAX 0.0, 0.1 and 1.0.
 * Source: GNU tar manual "Sparse Formats".
 */
import { parsePaxNumber, type PaxRecord } from './pax.ts';
import { BLOCK, invalidLayer, readNumber } from './tar-format.ts';

export interface Extent {
  readonly offset: number;
  readonly length: number;
}

export interface SparseMap {
  readonly extents: readonly Extent[];
  /** Of the whole file, holes included. */
  readonly size: number;
}

/** More extents than this are no file that anyone packed. */
const MAX_EXTENTS = 1 << 20;

/** Throws LAYER_INVALID unless the extents ascend, lie inside the file and account for every stored byte. */
export function checkSparse({ extents, size }: SparseMap, stored: number): SparseMap {
  let end = 0;
  let total = 0;
  for (const { offset, length } of extents) {
    if (offset < end || length > size - offset) throw invalidLayer('malformed map of a sparse file');
    end = offset + length;
    total += length;
  }
  if (total !== stored) throw invalidLayer('the map of a sparse file does not match its stored size');
  return { extents, size };
}

/** Old GNU: four extents in the header, 21 in each block that follows while the flag at its end says so. */
export async function readGnuSparse(header: Buffer, nextBlock: () => Promise<Buffer>): Promise<SparseMap> {
  const extents = tableAt(header, 386, 4);
  let more = header[482] !== 0;
  while (more) {
    const block = await nextBlock();
    extents.push(...tableAt(block, 0, 21));
    more = block[504] !== 0;
    if (extents.length > MAX_EXTENTS) throw invalidLayer('too many parts in a sparse file');
  }
  return { extents, size: readNumber(header, 483, 12) };
}

/** A table ends at the first empty slot. */
function tableAt(block: Buffer, start: number, slots: number): Extent[] {
  const extents: Extent[] = [];
  for (let at = start; at < start + slots * 24; at += 24) {
    if (block[at] === 0) break;
    const [offset, length] = [readNumber(block, at, 12), readNumber(block, at + 12, 12)];
    if (offset < 0 || length < 0) throw invalidLayer('malformed map of a sparse file');
    extents.push({ offset, length });
  }
  return extents;
}

/** What PAX records say about a sparse file: where its map is. */
export type PaxSparse =
  | { readonly kind: 'none' }
  | { readonly kind: 'map'; readonly map: SparseMap }
  /** 1.0: the map is in front of the data. */
  | { readonly kind: 'in-body'; readonly size: number };

export function paxSparseOf(records: readonly PaxRecord[], values: ReadonlyMap<string, string>): PaxSparse {
  if (values.get('GNU.sparse.major') === '1' && values.get('GNU.sparse.minor') === '0') {
    return { kind: 'in-body', size: parsePaxNumber(values.get('GNU.sparse.realsize') ?? '') };
  }
  const size = values.get('GNU.sparse.size');
  if (size === undefined) return { kind: 'none' };
  const numbers = (values.get('GNU.sparse.map')?.split(',') ?? repeatedNumbers(records)).filter(
    (n) => n !== '',
  );
  if (numbers.length % 2 !== 0) throw invalidLayer('malformed map of a sparse file');
  return { kind: 'map', map: { extents: pairs(numbers.map(parsePaxNumber)), size: parsePaxNumber(size) } };
}

const repeatedNumbers = (records: readonly PaxRecord[]): string[] =>
  records
    .filter(([key]) => key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes')
    .map(([, value]) => value);

function pairs(numbers: readonly number[]): Extent[] {
  const extents: Extent[] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    extents.push({ offset: numbers[at] ?? 0, length: numbers[at + 1] ?? 0 });
  }
  return extents;
}

/** 1.0: decimal lines, first how many extents, padded to whole blocks. Returns how many bytes it took. */
export async function readBodyMap(
  size: number,
  nextBlock: () => Promise<Buffer>,
): Promise<{ map: SparseMap; taken: number }> {
  const numbers: number[] = [];
  let taken = 0;
  let rest = '';
  for (let wanted = 1; numbers.length < wanted;) {
    const lines = (rest + (await nextBlock()).toString('latin1')).split('\n');
    taken += BLOCK;
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (numbers.length < wanted) numbers.push(parsePaxNumber(line));
      wanted = 1 + 2 * Math.min(numbers[0] ?? 0, MAX_EXTENTS + 1);
    }
    if (wanted > 2 * MAX_EXTENTS) throw invalidLayer('too many parts in a sparse file');
    if (rest.length > 32 && numbers.length < wanted) throw invalidLayer('malformed map of a sparse file');
  }
  return { map: { extents: pairs(numbers.slice(1)), size }, taken };
}

const HOLE = Buffer.alloc(64 << 10);

/** The file's content: the stored bytes at their places, zeros between. */
export async function* expandSparse(
  stored: AsyncIterable<Buffer>,
  { extents, size }: SparseMap,
): AsyncGenerator<Buffer> {
  let position = 0;
  let index = 0;
  for await (let chunk of stored) {
    while (chunk.length > 0) {
      const extent = extents[index];
      if (extent === undefined) throw invalidLayer('the map of a sparse file does not match its stored size');
      if (position < extent.offset) yield* zeros(extent.offset - position);
      position = Math.max(position, extent.offset);
      const piece = chunk.subarray(0, extent.offset + extent.length - position);
      if (piece.length > 0) yield piece;
      position += piece.length;
      chunk = chunk.subarray(piece.length);
      if (position === extent.offset + extent.length) index++;
    }
  }
  yield* zeros(size - position);
}

function* zeros(count: number): Generator<Buffer> {
  for (let left = count; left > 0; left -= HOLE.length) yield HOLE.subarray(0, left);
}
