/** Long synchronous work in turns that end when the build is interrupted. */
import { eventLoopTurns } from '../layer/event-loop.ts';

/** As `eventLoopTurns`; the promise rejects with the signal's reason when it was aborted meanwhile. */
export function abortableTurns(signal: AbortSignal | undefined): () => Promise<void> | undefined {
  const turn = eventLoopTurns();
  return () => turn()?.then(() => signal?.throwIfAborted());
}
