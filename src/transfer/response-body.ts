/** Reads what a server sends, but neither more than agreed nor for ever. */
import type { Readable } from 'node:stream';
import { ArchBuildError } from '../errors.ts';
import type { HttpResponse } from './connections.ts';
import { networkError, TransientError, type Advice } from './registry-errors.ts';

export interface BodyLimits {
  /** For messages. */
  readonly host: string;
  /** Bytes. */
  readonly limit: number;
  /** While this long is spent waiting, at least 1 KiB must come. Milliseconds. */
  readonly stallMs: number;
  /** As in Connections. */
  readonly advice?: Advice;
}

const LEAST_PROGRESS = 1024;

/**
 * The chunks of the body, which is destroyed at the end of the iteration. Throws SIZE_MISMATCH beyond the limit,
 * TransientError for a stalled or broken connection. Only waiting counts as time, not what the reader does.
 */
export async function* bodyChunks(
  body: Readable,
  { host, limit, stallMs, advice }: BodyLimits,
): AsyncGenerator<Uint8Array, void, undefined> {
  body.on('error', () => undefined); // destroyed bodies say so once more
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let received = 0;
  let sinceProgress = { bytes: 0, waited: 0 };
  try {
    for (;;) {
      const start = performance.now();
      const chunk = await nextChunk(chunks, {
        body,
        host,
        advice,
        stallMs: stallMs - sinceProgress.waited,
      });
      if (chunk === undefined) return;
      received += chunk.length;
      if (received > limit)
        throw new ArchBuildError('SIZE_MISMATCH', `${host} sends more than the ${limit} bytes expected`);
      const bytes = sinceProgress.bytes + chunk.length;
      const waited = sinceProgress.waited + performance.now() - start;
      sinceProgress = bytes >= LEAST_PROGRESS ? { bytes: 0, waited: 0 } : { bytes, waited };
      yield chunk;
    }
  } finally {
    body.destroy();
  }
}

interface Waiting extends Omit<BodyLimits, 'limit' | 'advice'> {
  readonly body: Readable;
  readonly advice: Advice | undefined;
}

async function nextChunk(
  chunks: AsyncIterator<Uint8Array>,
  { body, host, stallMs, advice }: Waiting,
): Promise<Uint8Array | undefined> {
  const stop = (): void => void body.destroy(new TransientError('NETWORK', `${host} stopped sending`));
  const timer = setTimeout(stop, Math.max(1, stallMs));
  try {
    const result = await chunks.next();
    return result.done === true ? undefined : result.value;
  } catch (error) {
    throw networkError(host, error, advice);
  } finally {
    clearTimeout(timer);
  }
}

/** A whole small body. */
export async function readBody(body: Readable, limits: BodyLimits): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bodyChunks(body, limits)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const NOT_WORTH_READING = 64 << 10;

/** Ends a body nobody wants: read when it is short, so that the connection can be used again. */
export async function discardBody(body: HttpResponse['body'], stallMs: number): Promise<void> {
  body.on('error', () => undefined);
  const signal = AbortSignal.timeout(stallMs);
  await body.dump({ limit: NOT_WORTH_READING, signal }).catch(() => undefined);
}
