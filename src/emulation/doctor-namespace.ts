/**
 * An ordinary user's builds run as root of a namespace of their own, so doctor looks at the host from in there; who the
 * user is and what the ids are is remembered from before.
 */
import { ArchBuildError } from '../errors.ts';
import { isRoot } from '../sys/identity.ts';
import { nativeProgram } from '../sys/native.ts';
import { enterOwnNamespace } from '../sys/own-namespace.ts';
import { tryUserNamespace } from './facts/trials.ts';
import { USER_BEFORE, userFacts } from './facts/user-facts.ts';

/** Returns for root, and where there can be no such namespace: the checks tell why. Else the program starts again. */
export async function enterNamespaceOfBuilds(
  storeDirectory: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  if (isRoot()) return;
  try {
    const { works } = await tryUserNamespace(nativeProgram('sandbox'));
    if (works !== true) return;
    enterOwnNamespace({
      ARCH_BUILD_ROOT: storeDirectory,
      [USER_BEFORE]: JSON.stringify(userFacts(environment)),
    });
  } catch (error) {
    if (!(error instanceof ArchBuildError)) throw error; // a helper that is not built is what a check is about
  }
}
