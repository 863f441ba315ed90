/** WORKDIR, EXPOSE, ARG: words with a catch. */
import { lineText, placeOf } from '../source-text.ts';
import type { Position } from '../instruction.ts';
import { isDirective } from '../directives.ts';
import type { LintInput, LintStage, Remark, Rule } from './rule.ts';
import { expandOr } from './stage-walk.ts';

export const workdirRelativePath: Rule = {
  name: 'WorkdirRelativePath',
  about: 'A relative WORKDIR depends on the base image until the stage has set an absolute one',
  when: 'build',
  *find({ stages, kubefile, source }) {
    for (const stage of stages) {
      let absolute = stage.parent !== undefined && setsWorkdir(stage.parent);
      for (const { instruction, variables } of stage.steps) {
        if (instruction.keyword !== 'WORKDIR') continue;
        const path = expandOr(instruction.word, variables, kubefile);
        if (path.startsWith('/')) absolute = true;
        if (absolute) continue;
        const message = `${path || instruction.word} is relative to a directory that only the base image knows`;
        yield { message, position: placeOf(source, instruction.range, instruction.word) };
      }
    }
  },
};

function setsWorkdir({ stage, parent }: LintStage): boolean {
  const sets = stage.instructions.some(({ keyword }) => keyword === 'WORKDIR');
  return sets || (parent !== undefined && setsWorkdir(parent));
}

function* ports({ stages, kubefile, source }: LintInput): Iterable<{ word: string; position: Position }> {
  for (const { instruction, variables } of stages.flatMap(({ steps }) => steps)) {
    if (instruction.keyword !== 'EXPOSE') continue;
    for (const written of instruction.words) {
      const position = placeOf(source, instruction.range, written);
      yield { word: expandOr(written, variables, kubefile), position };
    }
  }
}

export const exposeProtoCasing: Rule = {
  name: 'ExposeProtoCasing',
  about: 'The protocol in EXPOSE should be lower case',
  when: 'build',
  *find(input) {
    for (const { word, position } of ports(input)) {
      const protocol = word.split('/')[1] ?? '';
      if (protocol === protocol.toLowerCase()) continue;
      yield { message: `the protocol of ${word} should be lower case`, position };
    }
  },
};

export const exposeInvalidFormat: Rule = {
  name: 'ExposeInvalidFormat',
  about: 'EXPOSE names ports of the image: addresses and ports of the host are dropped',
  when: 'build',
  *find(input) {
    for (const { word, position } of ports(input)) {
      if (!word.includes(':')) continue;
      yield {
        message: `${word} should be the image's port alone: what stands before it is dropped`,
        position,
      };
    }
  },
};

const PLATFORM_ARG = /^(?:TARGET|BUILD)(?:PLATFORM|OS|OSVERSION|ARCH|VARIANT)$|^TARGETSTAGE$/;

export const platformArgOverridden: Rule = {
  name: 'PlatformArgOverridden',
  about: 'A default given to an automatic ARG beats the platform that is built for',
  when: 'check',
  *find({ kubefile, source }) {
    const seen = new Set<number>();
    for (const instruction of [
      ...kubefile.globalArgs,
      ...kubefile.stages.flatMap((stage) => stage.instructions),
    ]) {
      if (instruction.keyword !== 'ARG' || seen.has(instruction.range.start.line)) continue;
      seen.add(instruction.range.start.line); // in kubefile/v1 an ARG before FROM belongs to the stage too
      for (const { key, value } of instruction.args) {
        if (value === undefined || !PLATFORM_ARG.test(key)) continue;
        const message = `${key} is always "${value}" here, whatever the platform is: write ARG ${key}`;
        yield { message, position: placeOf(source, instruction.range, key) };
      }
    }
  },
};

/** What stands right above an ARG or a FROM is taken for its description by `docker build --call=outline`. */
export const invalidDefinitionDescription: Rule = {
  name: 'InvalidDefinitionDescription',
  about: 'A comment right above ARG or FROM … AS should start with the name: # name description',
  when: 'experimental',
  find: misleadingComments,
};

function* misleadingComments({ kubefile, source }: LintInput): Iterable<Remark> {
  const described = [
    ...kubefile.globalArgs,
    ...kubefile.stages.flatMap(({ from, instructions }) => [from, ...instructions]),
  ];
  for (const instruction of described) {
    const { start } = instruction.range;
    const names =
      instruction.keyword === 'ARG'
        ? instruction.args.map(({ key }) => key)
        : instruction.keyword === 'FROM' && instruction.alias !== undefined
          ? [instruction.alias.toLowerCase()]
          : [];
    const above = lineText(source, start.line - 1);
    const comment = /^\s*#(.*)$/.exec(above)?.[1]?.trim() ?? '';
    if (isDirective(above) || comment === '' || names.length === 0) continue;
    if (names.includes(comment.split(/\s/)[0] ?? '')) continue;
    const example = names.length === 1 ? (names[0] ?? '') : 'name';
    const message = `the comment above this ${instruction.keyword} should read "# ${example} description", or stand apart`;
    yield { message, position: start };
  }
}
