/** `WWW-Authenticate` as registries send it. Source: RFC 9110 11.6.1. */

export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const LIMIT = 8192;

/** All challenges of a header; what comes after something unreadable is left out. */
export function parseChallenges(header: string): Challenge[] {
  const text = header.slice(0, LIMIT);
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  let position = skip(text, 0, /[\s,]*/y);
  while (position < text.length) {
    const name = match(text, position, TOKEN);
    if (name === '') break;
    position = skip(text, position + name.length, /[ \t]*/y);
    const current = challenges.at(-1);
    if (text[position] === '=' && current !== undefined) {
      position = skip(text, position + 1, /[ \t]*/y);
      const raw =
        text[position] === '"' ? match(text, position, /"(?:[^"\\]|\\.)*"/y) : match(text, position, TOKEN);
      if (raw === '') break;
      current.parameters[name.toLowerCase()] = raw.startsWith('"')
        ? raw.slice(1, -1).replace(/\\(.)/g, '$1')
        : raw;
      position += raw.length;
    } else {
      challenges.push({ scheme: name.toLowerCase(), parameters: {} });
    }
    position = skip(text, position, /[\s,]*/y);
  }
  return challenges;
}

function match(text: string, position: number, pattern: RegExp): string {
  pattern.lastIndex = position;
  return pattern.exec(text)?.[0] ?? '';
}

const skip = (text: string, position: number, pattern: RegExp): number =>
  position + match(text, position, pattern).length;
