/** Templates that a cluster renders when it starts are no YAML yet: there, lines with an `image` key are looked at. */
import type { Findings } from './image-mention.ts';

const IMAGE_LINE = /^[\s-]*(?:"[^"]*image"|'[^']*image'|[\w.-]*image)\s*:\s+(?<value>\S.*)$/;

export function findByLine(text: string, file: string): Findings {
  const lines = text.split('\n').flatMap((line, index) => {
    const value = IMAGE_LINE.exec(line.replace(/\r$/, ''))?.groups?.['value'];
    const name = value === undefined ? '' : unquoted(value);
    return name === '' ? [] : [{ name, place: { file, line: index + 1 } }];
  });
  const isTemplate = (name: string): boolean => name.includes('{{') || /\$[({]/.test(name);
  return {
    mentions: lines.filter(({ name }) => !isTemplate(name)).map(({ name, place }) => ({ text: name, place })),
    problems: lines
      .filter(({ name }) => isTemplate(name))
      .map(({ name, place }) => ({ place, message: `${JSON.stringify(name)} is a template, not a name` })),
  };
}

/** Flow mappings and anchors are no names. */
function unquoted(value: string): string {
  const plain = value.replace(/\s#.*$/, '').trim();
  const quoted = /^(["'])(.*)\1,?$/.exec(plain)?.[2] ?? plain;
  return /^[{[&*|>]/.test(quoted) && !quoted.startsWith('{{') ? '' : quoted;
}
