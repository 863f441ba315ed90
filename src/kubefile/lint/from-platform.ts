/** What FROM says of platforms and images. */
import { placeOf } from '../source-text.ts';
import type { FromInstruction, Kubefile } from '../instruction.ts';
import type { LintInput, Remark, Rule } from './rule.ts';
import { expandOr } from './stage-walk.ts';
import { plainNames } from './variables.ts';

export const redundantTargetPlatform: Rule = {
  name: 'RedundantTargetPlatform',
  about: 'A stage is built for the target platform anyway',
  when: 'build',
  *find({ kubefile, source }) {
    for (const { from } of kubefile.stages) {
      const { platform = '' } = from;
      if (platform !== '$TARGETPLATFORM' && platform !== '${TARGETPLATFORM}') continue;
      const message = `--platform=${platform} is what a stage is built for anyway`;
      yield { message, position: placeOf(source, from.range, '--platform') };
    }
  },
};

export const fromPlatformFlagConstDisallowed: Rule = {
  name: 'FromPlatformFlagConstDisallowed',
  about: 'A constant platform in FROM ties an image for many platforms to one',
  when: 'build',
  *find({ kubefile, source }) {
    for (const { name = '', from } of kubefile.stages) {
      const [, os = '', architecture = ''] =
        /^([\w.-]+)\/([\w.-]+)(?:\/[\w.-]+)?$/.exec(from.platform ?? '') ?? [];
      // A name like "amd64-tools" says that the author means it.
      if (os === '' || name.includes(os) || name.includes(architecture)) continue;
      const message = `--platform=${from.platform ?? ''} is constant: name the stage after it, or use a variable`;
      yield { message, position: placeOf(source, from.range, '--platform') };
    }
  },
};

export const invalidBaseImagePlatform: Rule = {
  name: 'InvalidBaseImagePlatform',
  about: 'The base image in the store is not for the platform to build for',
  when: 'check',
  find: wrongBases,
};

function* wrongBases({ kubefile, byPlatform, facts, globals }: LintInput): Iterable<Remark> {
  for (const { stage, parent, image } of byPlatform[0]?.stages ?? []) {
    const known = parent === undefined ? facts.images.get(image) : undefined;
    if (known === undefined) continue;
    const wanted =
      stage.from.platform === undefined
        ? byPlatform.map(({ platform }) => platform.name)
        : [expandOr(stage.from.platform, globals, kubefile)];
    const missing = wanted.filter((name) => !known.platforms.some((have) => isPlatform(name, have)));
    if (missing.length === 0) continue;
    const message = `${image} is in the store for ${known.platforms.join(', ')}, not for ${missing.join(', ')}`;
    yield { message, position: stage.from.range.start };
  }
}

/** As BuildKit compares: variants aside. */
const isPlatform = (wanted: string, have: string): boolean =>
  wanted.split('/').slice(0, 2).join('/') === have.split('/').slice(0, 2).join('/');

export const invalidDefaultArgInFrom: Rule = {
  name: 'InvalidDefaultArgInFrom',
  about: 'Without --build-arg FROM should still name an image',
  when: 'build',
  *find({ kubefile, source, defaults }) {
    const declared = new Set(kubefile.globalArgs.flatMap(({ args }) => args.map(({ key }) => key)));
    for (const { from } of kubefile.stages) {
      const names = variablesOf(from, kubefile);
      if (names.length === 0 || !names.every((name) => declared.has(name) || defaults.has(name))) continue;
      const image = expandOr(from.image, defaults, kubefile);
      if (isImageName(image)) continue;
      const message =
        image === ''
          ? `${from.image} names no image without --build-arg`
          : `${from.image} is "${image}" without --build-arg, which is no image name`;
      yield { message, position: placeOf(source, from.range, from.image) };
    }
  },
};

const variablesOf = ({ image }: FromInstruction, { escape }: Kubefile): string[] => plainNames(image, escape);

/** The grammar of image references, without the limits on length. */
const isImageName = (text: string): boolean =>
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d+)?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?(?:@\w+:[0-9a-f]{32,})?$/.test(
    text,
  );
