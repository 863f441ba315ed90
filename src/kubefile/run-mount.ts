/**
 * The options of one `RUN --mount=`, read and checked. Keys, defaults and refusals are BuildKit's
 * (frontend/dockerfile/docs/reference.md, "RUN --mount").
 */
import { ArchBuildError } from '../errors.ts';
import { mountOptions, type MountOption } from './mount-option.ts';
import { didYouMean } from './suggest.ts';

interface Owned {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface BindMount {
  readonly type: 'bind';
  readonly target: string;
  /** Path inside the context, stage or image. */
  readonly source: string;
  /** Stage or image; the build context without it. */
  readonly from: string | undefined;
  /** What is written is thrown away. */
  readonly writable: boolean;
}

export interface CacheMount extends Owned {
  readonly type: 'cache';
  readonly target: string;
  /** The cache it is; caches live as long as the store. */
  readonly id: string;
  readonly writable: boolean;
  readonly sharing: 'shared' | 'private' | 'locked';
  /** What a new cache starts with. */
  readonly source: string;
  readonly from: string | undefined;
}

export interface TmpfsMount {
  readonly type: 'tmpfs';
  readonly target: string;
  readonly sizeBytes: number | undefined;
  /** It begins with what is there. */
  readonly copyUp?: true;
}

export interface SecretMount extends Owned {
  readonly type: 'secret';
  readonly id: string;
  /** Undefined when it is an environment variable only. */
  readonly target: string | undefined;
  /** Name of the environment variable. */
  readonly env: string | undefined;
  readonly required: boolean;
}

export interface SshMount extends Owned {
  readonly type: 'ssh';
  readonly id: string;
  /** Undefined: wherever the step's SSH_AUTH_SOCK is set to. */
  readonly target: string | undefined;
  readonly required: boolean;
}

export type RunMount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount;

/** `expand` replaces variables in a value. Throws KUBEFILE_SEMANTICS. */
export function readRunMount(text: string, expand: (word: string) => string): RunMount {
  const options = mountOptions(text);
  const type = options.findLast(({ name }) => name === 'type')?.value?.toLowerCase() ?? 'bind';
  const read = READERS[type];
  if (read === undefined) {
    const hint = didYouMean(type, Object.keys(READERS));
    throw refused(text, `unknown mount type ${JSON.stringify(type)}`, hint);
  }
  return read(new Options(text, options, expand));
}

const READERS: Readonly<Record<string, (options: Options) => RunMount>> = {
  bind: (options) => {
    options.allow('target', 'source', 'from', 'readonly', ...OF_OTHERS);
    options.checkForeign();
    return {
      type: 'bind',
      target: options.required('target'),
      source: options.text('source') ?? '/',
      from: options.from(),
      writable: !options.isReadOnly(true),
    };
  },
  cache: (options) => {
    options.allow(
      'target',
      'source',
      'from',
      'readonly',
      'id',
      'sharing',
      'mode',
      'uid',
      'gid',
      ...OF_OTHERS,
    );
    options.checkForeign();
    const target = options.required('target');
    return {
      type: 'cache',
      target,
      id: options.text('id') ?? target,
      writable: !options.isReadOnly(false),
      sharing: options.oneOf('sharing', ['shared', 'private', 'locked']),
      source: options.text('source') ?? '/',
      from: options.from(),
      ...options.owned(0o755),
    };
  },
  tmpfs: (options) => {
    options.allow('target', 'size', 'tmpcopyup');
    return {
      type: 'tmpfs',
      target: options.required('target'),
      sizeBytes: options.bytes('size'),
      ...(options.flag('tmpcopyup') === true ? { copyUp: true } : {}),
    };
  },
  secret: (options) => {
    options.allow('target', 'id', 'env', 'required', 'mode', 'uid', 'gid');
    const [target, env] = [options.text('target'), options.text('env')];
    const id = options.text('id') ?? target?.split('/').at(-1);
    if (id === undefined || id === '') throw options.refused('a secret needs an id or a target');
    const file = target ?? (env === undefined ? `/run/secrets/${id}` : undefined);
    return {
      type: 'secret',
      id,
      target: file,
      env,
      required: options.flag('required') ?? false,
      ...options.owned(0o400),
    };
  },
  ssh: (options) => {
    options.allow('target', 'id', 'required', 'mode', 'uid', 'gid');
    return {
      type: 'ssh',
      id: options.text('id') ?? 'default',
      target: options.text('target'),
      required: options.flag('required') ?? false,
      ...options.owned(0o600),
    };
  },
};

const PROPAGATIONS = ['private', 'rprivate', 'slave', 'rslave', 'shared', 'rshared'] as const;

/**
 * buildah's, kept by what a mount is here: it has no label of SELinux, nothing is mounted below it, and nothing that is
 * mounted in a step is seen outside.
 */
const OF_OTHERS: readonly string[] = [
  'z',
  'relabel',
  'bind-propagation',
  'bind-nonrecursive',
  'u',
  ...PROPAGATIONS,
];

/** One name for each option; the others mean the same. */
const SYNONYMS: Readonly<Record<string, string>> = {
  dst: 'target',
  destination: 'target',
  src: 'source',
  ro: 'readonly',
  rw: 'readwrite',
};

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

class Options {
  readonly #text: string;
  readonly #values = new Map<string, string | undefined>();
  readonly #expand: (word: string) => string;

  constructor(text: string, options: readonly MountOption[], expand: (word: string) => string) {
    this.#text = text;
    this.#expand = expand;
    for (const { name, value } of options) this.#values.set(SYNONYMS[name] ?? name, value);
    this.#values.delete('type');
    if (text === '') this.#values.clear();
  }

  /** Of these options `readonly` brings its opposite along. */
  allow(...names: readonly string[]): void {
    const known = names.includes('readonly') ? [...names, 'readwrite'] : names;
    for (const name of this.#values.keys()) {
      if (!known.includes(name))
        throw this.refused(`unknown option ${JSON.stringify(name)}`, didYouMean(name, known));
    }
  }

  text(name: string): string | undefined {
    if (!this.#values.has(name)) return undefined;
    const value = this.#values.get(name);
    if (value === undefined) throw this.refused(`${name} needs a value`);
    return this.#expand(value);
  }

  required(name: string): string {
    const value = this.text(name);
    if (value === undefined || value === '') throw this.refused(`${name} is missing`);
    return value;
  }

  /** As in COPY: stages are chosen before variables have values. */
  from(): string | undefined {
    const value = this.#values.get('from');
    if (value?.includes('$') === true)
      throw this.refused(
        'variables cannot be used in from',
        'name a stage, FROM $VARIABLE AS it, and use that',
      );
    return value === '' ? undefined : value;
  }

  flag(name: string): boolean | undefined {
    if (!this.#values.has(name)) return undefined;
    const value = this.#values.get(name);
    const word = value === undefined ? 'true' : this.#expand(value).toLowerCase();
    if (['true', '1', 't', ''].includes(word)) return true;
    if (['false', '0', 'f'].includes(word)) return false;
    throw this.refused(`${name} is true or false, not ${JSON.stringify(value)}`);
  }

  isReadOnly(otherwise: boolean): boolean {
    const writable = this.flag('readwrite');
    return this.flag('readonly') ?? (writable === undefined ? otherwise : !writable);
  }

  oneOf<T extends string>(name: string, [first, ...others]: readonly [T, ...T[]]): T {
    const value = this.text(name)?.toLowerCase() ?? first;
    const found = [first, ...others].find((each) => each === value);
    if (found === undefined)
      throw this.refused(`${name} is ${[first, ...others].join(' or ')}, not ${JSON.stringify(value)}`);
    return found;
  }

  /** Throws for a value that buildah refuses, and for what would change owners. */
  checkForeign(): void {
    this.oneOf('relabel', ['shared', 'private']);
    this.oneOf('bind-propagation', PROPAGATIONS);
    if (this.#values.has('u'))
      throw this.refused('U, which changes owners, cannot be had here', 'COPY --chown the files');
  }

  owned(mode: number): Owned {
    return {
      mode: this.#number('mode', 8) ?? mode,
      uid: this.#number('uid', 10) ?? 0,
      gid: this.#number('gid', 10) ?? 0,
    };
  }

  /** `64m`, as docker writes sizes. */
  bytes(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const parts = /^(?<amount>\d{1,12})(?<unit>[kmgt]?)i?b?$/i.exec(value)?.groups;
    const unit = UNITS[parts?.['unit']?.toLowerCase() ?? 'none'];
    if (parts === undefined || unit === undefined)
      throw this.refused(`${name} is a size such as 64m, not ${JSON.stringify(value)}`);
    return Number(parts['amount']) * unit;
  }

  #number(name: string, radix: 8 | 10): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const isNumber = radix === 8 ? /^0?[0-7]{1,4}$/.test(value) : /^\d{1,10}$/.test(value);
    const number = parseInt(value, radix);
    if (!isNumber || number > 0xfffffffe)
      throw this.refused(`${name} is ${radix === 8 ? 'octal' : 'a number'}, not ${JSON.stringify(value)}`);
    return number;
  }

  refused(why: string, hint?: string): ArchBuildError {
    return refused(this.#text, why, hint);
  }
}

function refused(text: string, why: string, hint: string | undefined): ArchBuildError {
  const details = hint === undefined ? {} : { hint };
  return new ArchBuildError('KUBEFILE_SEMANTICS', `--mount=${text}: ${why}`, details);
}
