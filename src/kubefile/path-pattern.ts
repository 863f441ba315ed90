/**
 * One ignore pattern as moby's matcher reads it: `*` and `?` stop at a slash, `**` does not, `**` and a slash may
 * also be nothing.
 *
 * Patterns are run as sets of states over the path, never as a backtracking regular expression: the time is path ×
 * pattern whatever either contains.
 */
import { acceptsCharacter, codePoints, parseFilePattern, type Element } from './file-match.ts';

export interface PathPattern {
  readonly matches: (path: string) => boolean;
  /** Could some path below `directory` match? */
  readonly mayMatchBelow: (directory: string) => boolean;
}

interface State {
  readonly accepts: (point: number) => boolean;
  /** Entered when this one accepts. */
  readonly next: number;
  /** Entered whenever this one is. */
  readonly free: readonly number[];
}

const SLASH = 0x2f;
const isSlash = (point: number): boolean => point === SLASH;
const notSlash = (point: number): boolean => point !== SLASH;
const anything = (): boolean => true;
const nothing = (): boolean => false;

/** Undefined for a malformed pattern. `pattern` is clean: no leading, trailing or doubled slash. */
export function compilePathPattern(pattern: string): PathPattern | undefined {
  const elements = parseFilePattern(pattern);
  if (elements === undefined) return undefined;
  const prefix = text(elements, 0, elements.findIndex(isSpecial));
  if (!elements.some(isSpecial)) {
    const name = text(elements, 0, elements.length);
    return {
      matches: (path) => path === name,
      mayMatchBelow: (directory) => name.startsWith(`${directory}/`),
    };
  }
  const { states, suffix } = compile(elements);
  const run = runner(states);
  return {
    // Most paths differ from most patterns in how they begin or end, which is cheaper to see.
    matches: (path) => path.startsWith(prefix) && path.endsWith(suffix) && run(codePoints(path)).accepted,
    mayMatchBelow: (directory) => run(codePoints(`${directory}/`)).alive,
  };
}

/** The last state is the end of the pattern; `suffix` is what every match ends with. */
function compile(elements: readonly Element[]): { states: State[]; suffix: string } {
  const states: State[] = [];
  const push = (accepts: State['accepts'], next: number, free: readonly number[] = []): void => {
    states.push({ accepts, next, free });
  };
  let literalFrom = 0;
  let inComponents = false;
  for (let at = 0; at < elements.length;) {
    const here = states.length;
    const stars = starsAt(elements, at);
    const element = elements[at];
    if (element?.kind !== 'star') {
      push((point) => element !== undefined && acceptsCharacter(element, point), here + 1);
      at++;
      if (element?.kind === 'class' || element?.kind === 'any') literalFrom = at;
      inComponents = false;
      continue;
    }
    at += stars;
    literalFrom = at;
    if (stars === 1) push(notSlash, here, [here + 1]);
    else if (acceptsAnyEnding(elements, at, stars)) push(anything, here, [here + 1]);
    else if (!inComponents) {
      push(nothing, here, [here + 1, here + 3]);
      push(anything, here + 1, [here + 2]);
      push(isSlash, here + 3);
    }
    inComponents = stars > 1;
  }
  push(nothing, states.length);
  return { states, suffix: text(elements, literalFrom, elements.length) };
}

/** `*` is 1, `**` is 2, and 3 with the slash behind it, which belongs to it. */
function starsAt(elements: readonly Element[], at: number): number {
  if (elements[at]?.kind !== 'star') return 0;
  if (elements[at + 1]?.kind !== 'star') return 1;
  const behind = elements[at + 2];
  return behind?.kind === 'character' && behind.point === SLASH ? 3 : 2;
}

/**
 * `**` is any number of whole path components, but anything at all when it ends the pattern, and also when it starts
 * it, is glued to text, and nothing but text follows.
 */
function acceptsAnyEnding(elements: readonly Element[], behind: number, stars: number): boolean {
  if (behind === elements.length) return true;
  return behind === 2 && stars === 2 && !elements.slice(behind).some(isSpecial);
}

const isSpecial = ({ kind }: Element): boolean => kind !== 'character';

const text = (elements: readonly Element[], start: number, end: number): string =>
  elements
    .slice(start, end)
    .map((element) => (element.kind === 'character' ? String.fromCodePoint(element.point) : ''))
    .join('');

/** `alive`: the text is the beginning of something that matches. */
function runner(
  states: readonly State[],
): (points: readonly number[]) => { accepted: boolean; alive: boolean } {
  // Which step entered a state last: the set of states without clearing it at each step.
  const entered = new Float64Array(states.length);
  let step = 0;
  const enter = (list: number[], first: number): void => {
    const pending = [first];
    for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
      if (entered[index] === step) continue;
      entered[index] = step;
      list.push(index);
      pending.push(...(states[index]?.free ?? []));
    }
  };
  return (points) => {
    let current: number[] = [];
    step++;
    enter(current, 0);
    for (const point of points) {
      step++;
      const next: number[] = [];
      for (const index of current) {
        const state = states[index];
        if (state?.accepts(point) === true) enter(next, state.next);
      }
      current = next;
      if (current.length === 0) break;
    }
    return { accepted: current.includes(states.length - 1), alive: current.length > 0 };
  };
}
