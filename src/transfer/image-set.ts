/** Images on their way: some content, and which of it is meant. */
import type { ContentSource } from '../oci/content.ts';
import type { ChildSelection } from './content-graph.ts';
import type { NamedImage } from './image-list.ts';

export interface ImageSet {
  readonly content: ContentSource;
  readonly images: readonly NamedImage[];
  /** Which children of an index the content has; all by default. */
  readonly select?: ChildSelection;
}

/** Opened for reading; whoever opened it disposes it. */
export interface ImageSource extends ImageSet, AsyncDisposable {}
