/** What a build has made, for its outputs. */
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Job } from '../options.ts';

export interface Built {
  readonly job: Job;
  readonly root: Descriptor;
  /** Of each platform, in the order asked for. */
  readonly manifests: readonly Descriptor[];
  /** The build's own. */
  readonly tags: readonly string[];
  /** Registries that are spoken to without TLS. */
  readonly insecure: readonly string[];
}
