/** `pull`. */
import { pullImage } from '../../transfer/pull.ts';
import { platformFlag } from '../architectures.ts';
import type { PullFlags } from '../flags.ts';
import { reporterFor, storeFor, type Globals } from '../globals.ts';

export async function pull(globals: Globals, names: readonly string[], flags: PullFlags): Promise<void> {
  await using store = await storeFor(globals);
  const job = { store, report: reporterFor(globals), signal: globals.signal };
  const platform = platformFlag(flags);
  for (const name of names) {
    const root = await pullImage(job, name, {
      insecure: flags.insecure,
      ...(platform === undefined ? {} : { platforms: [platform] }),
    });
    process.stdout.write(`${root.digest}\n`);
  }
}
