/** Where container images are taken from: something that knows names, and has content. */
import type { ContentSource } from '../../oci/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Reference } from '../../oci/reference.ts';

export interface ImageSource {
  /** For messages: a path, or what kind of place it is. */
  readonly label: string;
  /**
   * What a name means there; undefined when it is not known. A registry that is asked in vain throws: who asked for
   * it last wants to know why.
   */
  find(reference: Reference): Promise<FoundContent | undefined>;
}

export interface FoundContent {
  readonly root: Descriptor;
  readonly content: ContentSource;
}
