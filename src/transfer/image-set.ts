/** Images on their way: some content, and which of it is meant. */
import type { ContentSink, ContentSource } from '../oci/content.ts';
import type { ChildSelection } from './content-graph.ts';
import type { NamedImage } from './image-list.ts';

export interface ImageSet {
  readonly content: ContentSource;
  readonly images: readonly NamedImage[];
  /** Which children of an index the content has; all by default. */
  readonly select?: ChildSelection;
}

/** The selection as an option, for those who take none but a real one. */
export const selectionOf = ({ select }: Pick<ImageSet, 'select'>): Pick<ImageSet, 'select'> =>
  select === undefined ? {} : { select };

/** Those children that the content has. */
export function presentIn(content: Pick<ContentSink, 'has'>): ChildSelection {
  return async (children) => {
    const there = await Promise.all(children.map((child) => content.has(child)));
    return children.filter((_, index) => there[index] === true);
  };
}

/** Opened for reading; whoever opened it disposes it. */
export interface ImageSource extends ImageSet, AsyncDisposable {}
