/** `verify`: every document and every byte of an image of the store, of an archive, or of an OCI layout. */
import { inspectBinary, platformRuns } from '../../emulation/elf-audit.ts';
import { ImageVerifier } from '../../layer/verify-image.ts';
import { hasErrors } from '../../oci/verify.ts';
import { printJson } from '../answer.ts';
import { platformFlag } from '../architectures.ts';
import type { VerifyFlags } from '../flags.ts';
import { storeFor, type Globals } from '../globals.ts';
import { requireRoot } from '../require-root.ts';
import { invalidTarget, openVerifyTarget, type VerifyTarget } from '../verify-target.ts';
import { verifiedText, type Verified } from '../verify-text.ts';

/** Returns 1 when anything is wrong; warnings alone are no reason. */
export async function verify(
  globals: Globals,
  names: readonly string[],
  flags: VerifyFlags,
): Promise<number> {
  requireRoot(globals);
  await using store = await storeFor(globals);
  const results: Verified[] = [];
  for (const name of names) {
    let target: VerifyTarget;
    try {
      target = await openVerifyTarget(store, name);
    } catch (error) {
      results.push({ name, digest: null, findings: [invalidTarget(name, error)] });
      continue;
    }
    await using open = target;
    results.push(...(await verifyTarget(open, name, flags)));
  }
  if (flags.json === true) printJson(results);
  else process.stdout.write(verifiedText(results));
  return results.every(({ findings }) => !hasErrors(findings)) ? 0 : 1;
}

async function verifyTarget(target: VerifyTarget, name: string, flags: VerifyFlags): Promise<Verified[]> {
  const platform = platformFlag(flags);
  const verifier = new ImageVerifier(target.source, {
    platform,
    mayBePartial: target.mayBePartial,
    audit: flags.deep === true ? { inspect: inspectBinary, runs: platformRuns } : undefined,
  });
  const results: Verified[] = [];
  for (const image of target.images) {
    results.push({
      name: image.name,
      digest: image.root.digest,
      findings: await verifier.verify(image.root, image.isPartial),
    });
  }
  // With one platform asked for, the others' blobs would seem to be nobody's.
  const around = platform === undefined ? await target.container(verifier.reached) : [];
  return around.length === 0 ? results : [...results, { name, digest: null, findings: around }];
}
