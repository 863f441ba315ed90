/** Places of images, as the commands that move images use them. */
import { hostPlatform } from '../emulation/host.ts';
import type { Store } from '../store/store.ts';
import type { ImageSource } from '../transfer/image-set.ts';
import type { Place, TransportContext } from '../transfer/transports/transport.ts';
import { reporterFor, requireNetwork, type Globals } from './globals.ts';
import type { ProgressMode } from './reporter.ts';
import type { RegistryFlags } from './transfer-flags.ts';
import { transferReporter } from './transfer-reporter.ts';

/** Transfers are shown as they go unless said. */
export const contextFor = (
  globals: Globals,
  store: Store,
  { insecure, progress }: RegistryFlags & { readonly progress?: ProgressMode },
): TransportContext => ({
  store,
  report: progress === undefined ? transferReporter(globals) : reporterFor(globals, progress),
  signal: globals.signal,
  registry: { insecure },
  preferredPlatform: hostPlatform(),
});

/** Throws OFFLINE for a place in a registry that may not be asked. */
export function requireReach(globals: Globals, { registry }: Place): void {
  if (registry !== undefined) requireNetwork(globals, `asking ${registry}`);
}

/** The caller disposes it. Throws what `requireReach` throws, and what opening does. */
export function openPlace(globals: Globals, place: Place, context: TransportContext): Promise<ImageSource> {
  requireReach(globals, place);
  return place.open(context);
}
