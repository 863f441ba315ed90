/** `# check=skip=Rule,Rule;error=true;experimental=Rule`, and the same in --build-arg BUILDKIT_DOCKERFILE_CHECK. */
import type { Finding } from './rule.ts';

export interface CheckOptions {
  readonly skip: 'all' | ReadonlySet<string>;
  readonly experimental: 'all' | ReadonlySet<string>;
  /** Findings fail a build. */
  readonly error: boolean;
}

/** The options, or what is wrong with them. */
export function parseCheckOptions(text: string): CheckOptions | { readonly problem: string } {
  let options: CheckOptions = { skip: new Set(), experimental: new Set(), error: false };
  for (const part of text.split(';').filter((piece) => piece.trim() !== '')) {
    const [name = '', value] = part.split(/=(.*)/s).map((piece) => piece.trim());
    if (value === undefined) return { problem: `check option "${name}" has no value` };
    switch (name) {
      case 'skip':
      case 'experimental':
        options = {
          ...options,
          [name]: value === 'all' ? 'all' : new Set(value.split(',').map((rule) => rule.trim())),
        };
        break;
      case 'error': {
        const wanted = BOOLEANS[value.toLowerCase()];
        if (wanted === undefined) return { problem: `check option error is true or false, not "${value}"` };
        options = { ...options, error: wanted };
        break;
      }
      default:
        return { problem: `unknown check option "${name}"` };
    }
  }
  return options;
}

const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true,
  t: true,
  1: true,
  false: false,
  f: false,
  0: false,
};

const has = (set: 'all' | ReadonlySet<string>, rule: string): boolean => set === 'all' || set.has(rule);

/** A rule asked for by name as an experiment runs although `skip=all` stands beside it. */
export function isWanted(
  { skip, experimental }: CheckOptions,
  { rule, isExperiment }: { readonly rule: Finding['rule']; readonly isExperiment: boolean },
): boolean {
  return isExperiment ? has(experimental, rule) : !has(skip, rule);
}
