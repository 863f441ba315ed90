/** What to tell about a step that an emulator has crashed in: which version it was, and which others there are. */
import type { EmulatorSituation } from './crashed-emulators.ts';
import type { Explanation } from './failures.ts';

/** The same explanation with the emulator's version and, as its hint, the ways to another one. */
export function adviseOnCrash(
  { what, hint, crash }: Explanation,
  { running, others, pinned }: EmulatorSituation,
): Explanation {
  const { arch, version = 'of unknown version', path } = running;
  const where = path === undefined ? '' : `, ${path}`;
  return { what: `${what}; it ran under qemu ${version}${where}`, hint: `${hint}: ${ways()}`, crash };

  function ways(): string {
    const [next] = others;
    if (next !== undefined)
      return `here are also ${others.join(', ')}; --emulator ${arch}=${next} takes one, --emulator-retry the next after a crash`;
    const [best] = pinned;
    if (best === undefined) return 'no other is left here';
    return `\`arch-build emulators fetch --emulator-version ${best} ${arch}\` gets one`;
  }
}
