/**
 * Commands that unpack or run a root file system need its owners and more rights than an ordinary user has: they run
 * as root, or as root of a user namespace.
 */
import { enterOwnNamespace } from '../sys/own-namespace.ts';
import type { Globals } from './globals.ts';

/** Does not return for an ordinary user: the command starts again in a namespace of its own. */
export function requireRoot({ root }: Globals): void {
  enterOwnNamespace({ ARCH_BUILD_ROOT: root });
}
