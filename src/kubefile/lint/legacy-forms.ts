/** Forms that still work and should not be written any more. */
import type { Rule } from './rule.ts';
import { rangeOf } from '../statement.ts';

export const noEmptyContinuation: Rule = {
  name: 'NoEmptyContinuation',
  about: 'Empty lines in a continued instruction are dropped, and may become an error elsewhere',
  when: 'build',
  *find({ statements }) {
    for (const { line } of statements) {
      const { emptyContinuation: position } = line;
      if (position !== undefined)
        yield { message: 'empty line in a continued instruction is dropped', position };
    }
  },
};

export const legacyKeyValueFormat: Rule = {
  name: 'LegacyKeyValueFormat',
  about: 'ENV and LABEL should be written with an equals sign',
  when: 'build',
  *find({ statements }) {
    for (const statement of statements) {
      const { keyword, arguments: cut } = statement;
      if (cut.form !== 'pairs' || !cut.pairs.some(({ legacy }) => legacy)) continue;
      const message = `${keyword} key=value should be used instead of ${keyword} key value`;
      yield { message, position: rangeOf(statement).start };
    }
  },
};

export const maintainerDeprecated: Rule = {
  name: 'MaintainerDeprecated',
  about: 'MAINTAINER should be a label',
  when: 'build',
  *find({ statements }) {
    for (const statement of statements) {
      if (statement.keyword !== 'MAINTAINER') continue;
      const message = 'MAINTAINER is deprecated, use LABEL org.opencontainers.image.authors';
      yield { message, position: rangeOf(statement).start };
    }
  },
};
