/** `--security-opt`, as docker and buildah have it. */
import { posix } from 'node:path';
import type { StepSettings } from '../build/step-settings.ts';
import { ArchBuildError } from '../errors.ts';

type Security = Pick<StepSettings, 'noNewPrivileges' | 'masks'>;

/** Steps have no label, profile or filter of their own, which is what these ask for. */
const AS_IT_IS = ['label=disable', 'label=type:unconfined_t', 'apparmor=unconfined', 'seccomp=unconfined'];

/** Throws USAGE. */
export function securityOf(words: readonly string[]): Security {
  let noNewPrivileges = false;
  const masked: string[] = [];
  const unmasked: string[] = [];
  for (const word of words.map((each) => each.replace(/^([a-z-]+):/, '$1='))) {
    const [, name = '', value] = /^([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === 'no-new-privileges') noNewPrivileges = truth(word, value ?? 'true');
    else if (name === 'mask') masked.push(...pathsOf(word, value));
    else if (name === 'unmask' && value?.toLowerCase() === 'all') unmasked.push('all');
    else if (name === 'unmask') unmasked.push(...pathsOf(word, value));
    else if (!AS_IT_IS.includes(word)) throw unknown(word);
  }
  return {
    noNewPrivileges,
    masks: { masked, unmasked: unmasked.includes('all') ? 'all' : unmasked },
  };
}

function truth(word: string, value: string): boolean {
  if (value === 'true' || value === 'false') return value === 'true';
  throw unknown(word);
}

/** `PATH:PATH…` */
function pathsOf(word: string, value = ''): string[] {
  const paths = value.split(':');
  if (paths.every((path) => path.startsWith('/') && posix.resolve(path) !== '/'))
    return paths.map((path) => posix.resolve(path));
  throw new ArchBuildError('USAGE', `--security-opt ${word} is not understood`, {
    hint: 'write absolute paths with colons between them, or unmask=ALL',
  });
}

const unknown = (word: string): ArchBuildError =>
  new ArchBuildError('USAGE', `--security-opt ${word} cannot be had here`, {
    hint: 'there is no-new-privileges, mask=PATH:…, unmask=ALL and unmask=PATH:…; labels, profiles and filters steps have none',
  });
