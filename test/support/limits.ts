/** Other limits for as long as a test runs: they belong to the process, so they must come back whatever happens. */
import { LIMITS, setLimits, type LimitName } from '../../src/oci/limits.ts';

/** `using _ = limited({ 'layer-entries': 3 })`. */
export function limited(limits: Partial<Record<LimitName, number>>): Disposable {
  const known = Object.keys(LIMITS) as LimitName[];
  setLimits(new Map(known.flatMap((name) => (limits[name] === undefined ? [] : [[name, limits[name]]]))));
  return { [Symbol.dispose]: () => setLimits(new Map()) };
}
