/** Templates that a cluster renders when it starts are no YAML yet: there, lines with an `image` key are looked at. */
import { templateProblem, type Findings, type FindProblem, type ImageMention } from './image-mention.ts';

const IMAGE_LINE = /^[\s-]*(?:"[^"]*image"|'[^']*image'|[\w.-]*image)\s*:\s+(?<value>\S.*)$/;

export function findByLine(text: string, file: string): Findings {
  const mentions: ImageMention[] = [];
  const problems: FindProblem[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const value = IMAGE_LINE.exec(line.replace(/\r$/, ''))?.groups?.['value'];
    const name = value === undefined ? '' : unquoted(value);
    if (name === '') continue;
    const place = { file, line: index + 1 };
    const problem = templateProblem(name, place);
    if (problem === undefined) mentions.push({ text: name, place });
    else problems.push(problem);
  }
  return { mentions, problems };
}

/** Flow mappings and anchors are no names. */
function unquoted(value: string): string {
  const plain = value.replace(/\s#.*$/, '').trim();
  const quoted = /^(["'])(.*)\1,?$/.exec(plain)?.[2] ?? plain;
  return /^[{[&*|>]/.test(quoted) && !quoted.startsWith('{{') ? '' : quoted;
}
