/** Long work on this thread in turns: timers, signals and sockets must not wait for its end. */
import { setImmediate as nextTurn } from 'node:timers/promises';

const TURN_MILLISECONDS = 15;

/** To be awaited often: gives the event loop a turn when one is due, else there is nothing to wait for. */
export function eventLoopTurns(): () => Promise<void> | undefined {
  let ends = performance.now() + TURN_MILLISECONDS;
  return () => {
    if (performance.now() < ends) return undefined;
    return nextTurn().then(() => void (ends = performance.now() + TURN_MILLISECONDS));
  };
}
