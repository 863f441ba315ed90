/** `images --filter`: which images are listed. The names are those of docker, and `platform` and `partial` of ours. */
import { ArchBuildError } from '../errors.ts';
import { formatPlatform } from '../oci/platform.ts';
import { familiarReference, parseReference } from '../oci/reference.ts';
import type { ImageSummary } from '../store/image-summary.ts';
import type { Store } from '../store/store.ts';
import { platformNamed } from './architectures.ts';

type Test = (summary: ImageSummary) => boolean;

/** All of the filters have to hold. Throws USAGE for a filter that is none, IMAGE_NOT_FOUND. */
export function imageFilter(filters: readonly string[], store: Pick<Store, 'images'>): Test {
  const tests = filters.map((text) => {
    const equals = text.indexOf('=');
    const make = FILTERS[text.slice(0, Math.max(0, equals))];
    if (make !== undefined) return make(text.slice(equals + 1), store);
    throw new ArchBuildError('USAGE', `not a filter: ${JSON.stringify(text.slice(0, 160))}`, {
      hint: `write NAME=VALUE with one of ${Object.keys(FILTERS).join(', ')}`,
    });
  });
  return (summary) => tests.every((test) => test(summary));
}

const FILTERS: Readonly<Record<string, (value: string, store: Pick<Store, 'images'>) => Test>> = {
  reference: (pattern) => {
    const matches = globTest(pattern);
    return ({ image: { name } }) => name !== undefined && spellings(name).some(matches);
  },
  dangling: (value) => flagTest(value, ({ image }) => image.name === undefined),
  partial: (value) => flagTest(value, ({ isPartial }) => isPartial),
  platform: (value) => {
    const wanted = formatPlatform(platformNamed(value));
    return ({ platforms }) =>
      platforms.some(({ platform, facts }) => facts !== undefined && platform === wanted);
  },
  before: (value, store) => ageTest(value, store, (age, other) => age < other),
  since: (value, store) => ageTest(value, store, (age, other) => age > other),
};

function flagTest(value: string, test: Test): Test {
  if (value !== 'true' && value !== 'false')
    throw new ArchBuildError('USAGE', `neither true nor false: ${JSON.stringify(value.slice(0, 80))}`);
  return (summary) => test(summary) === (value === 'true');
}

/** Images are listed in the order in which they came. */
function ageTest(
  value: string,
  { images }: Pick<Store, 'images'>,
  compare: (age: number, other: number) => boolean,
): Test {
  const order = new Map(images.list().map((image, at) => [image, at]));
  const found = images.get(value);
  const other = order.get(found) ?? 0;
  return ({ image }) => compare(order.get(image) ?? 0, other);
}

/** The full name, the short one, each with and without the tag. */
function spellings(name: string): string[] {
  const { tag, ...reference } = parseReference(name);
  const short = familiarReference(reference);
  const full = name.slice(0, tag === undefined ? undefined : -tag.length - 1);
  return [name, full, short, ...(tag === undefined ? [] : [`${short}:${tag}`])];
}

/** `*` and `?` stop at a slash. */
function globTest(pattern: string): (text: string) => boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  const regexp = new RegExp(`^${source}$`);
  return (text) => regexp.test(text);
}
