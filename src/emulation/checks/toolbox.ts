/** The toolboxes of the platforms that can be built: most images need none, so a missing one stands in nobody's way. */
import type { Architecture } from '../architecture.ts';
import type { HostFacts } from '../facts/host-facts.ts';
import type { PlatformFacts } from '../facts/platform-facts.ts';
import { pinnedToolboxes } from '../pins.ts';
import { toolboxHint } from '../toolbox.ts';
import { advice, ourselves, type Check, type Finding, type Fix } from './check.ts';

export const TOOLBOX_CHECKS: readonly Check[] = [{ id: 'toolbox', title: 'toolboxes', run: toolboxes }];

interface Runnable extends PlatformFacts {
  readonly architecture: Architecture;
}

/** One per machine. Where nothing runs yet the emulator is what is missing. */
function runnable({ platforms }: HostFacts): Runnable[] {
  const those = platforms.filter(
    (each): each is Runnable =>
      each.architecture !== undefined && (each.native || each.emulators.usable.length > 0),
  );
  return [...new Map(those.map((each) => [each.architecture.arch, each])).values()];
}

function toolboxes(facts: HostFacts): Finding[] {
  const all = runnable(facts);
  const rows = all.flatMap(({ architecture, toolbox, asked }): Finding[] => {
    if (toolbox === undefined) return [];
    const { arch } = architecture;
    if (typeof toolbox === 'string') {
      const fix = advice(`take it away, then ${toolboxHint(architecture)}`);
      return [{ state: asked ? 'warn' : 'info', arch, found: toolbox, why: WHY, fix }];
    }
    const { path, version, source } = toolbox;
    return [{ state: 'ok', arch, found: `${arch}: ${path} (busybox ${version}, ${source})` }];
  });
  const missing = all.filter(({ toolbox }) => toolbox === undefined).map(({ architecture }) => architecture);
  if (missing.length === 0) return rows;
  const found = `none for ${missing.map(({ arch }) => arch).join(', ')}`;
  return [...rows, { state: 'info', found, why: WHY, fix: bring(missing, facts) }];
}

const WHY = 'RUN needs one where the image has no shell, and nothing else does';
const OFFLINE = 'where there is no network: arch-build emulators import FILE, a static busybox';

/** Not every machine has one that we vouch for. */
function bring(missing: readonly Architecture[], facts: HostFacts): Fix {
  const pinned = new Set(pinnedToolboxes().map(({ arch }) => arch));
  const names = missing.map(({ arch }) => arch).filter((arch) => pinned.has(arch));
  const [first] = missing;
  if (names.length === 0) return advice(first === undefined ? OFFLINE : toolboxHint(first));
  return ourselves(facts, ['emulators', 'fetch', '--toolbox', ...names], OFFLINE);
}
