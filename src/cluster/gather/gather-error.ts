/** All that is wrong with the images of a build, as one error: each image with its reason and its places. */
import { ArchBuildError } from '../../errors.ts';
import { formatPlace, type FindProblem, type Place } from '../find/image-mention.ts';

export interface ImageFailure {
  readonly name: string;
  readonly places: readonly Place[];
  readonly error: ArchBuildError;
}

/** More places than these are counted, not listed. */
const PLACES_SHOWN = 5;

/** `problems` are places that should name images and do not. */
export function gatherError(
  failures: readonly ImageFailure[],
  total: number,
  problems: readonly FindProblem[] = [],
): ArchBuildError {
  const hints = new Set(failures.map(({ error }) => error.hint));
  const [only] = hints;
  const items = failures.map(({ name, places, error }) => {
    const hint = hints.size > 1 && error.hint !== undefined ? ` (${error.hint})` : '';
    const words = [error.message, ...error.items].join('; ');
    return `${name}: ${words}${hint}${namedIn(places)}`;
  });
  const unread = problems.map(({ place, message }) => `${formatPlace(place)}: ${message}`);
  const hint = hints.size === 1 && problems.length === 0 ? only : problems.length > 0 ? FIND_HINT : undefined;
  return new ArchBuildError('GATHER', messageOf(failures.length, total, problems.length), {
    items: [...unread, ...items],
    ...(failures[0] === undefined ? {} : { cause: failures[0].error }),
    ...(hint === undefined ? {} : { hint }),
  });
}

const FIND_HINT =
  'correct the files, or take images from --image-list alone with --gather list, or none with --gather none';

function messageOf(failed: number, total: number, problems: number): string {
  const images = `${failed} of ${total} container images cannot be gathered`;
  const places = `container images cannot be read from ${problems === 1 ? 'one place' : `${problems} places`}`;
  if (problems === 0) return images;
  return failed === 0 ? places : `${places}, and ${images}`;
}

function namedIn(places: readonly Place[]): string {
  if (places.length === 0) return '';
  const shown = places.slice(0, PLACES_SHOWN).map(formatPlace).join(', ');
  const rest = places.length > PLACES_SHOWN ? ` and ${places.length - PLACES_SHOWN} more` : '';
  return ` [${shown}${rest}]`;
}
