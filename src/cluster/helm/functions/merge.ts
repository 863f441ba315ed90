/** `merge` and `mergeOverwrite`: maps into maps, deeply. The first one is changed, as in Go. */
import { copyValue, isMap, isTrue, mutable, type ValueMap } from '../value.ts';

export function mergeMaps(into: ValueMap, from: ValueMap, policy: 'keep' | 'overwrite'): ValueMap {
  const target = mutable(into);
  for (const [key, value] of from) {
    const known = target.get(key);
    if (isMap(known) && isMap(value)) mergeMaps(known, value, policy);
    else if (known === undefined || (policy === 'keep' ? !isTrue(known) : isTrue(value)))
      target.set(key, copyValue(value));
  }
  return target;
}
