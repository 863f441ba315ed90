/** How foreign programs get to run in a step: the choices, and what each adds to a plan. */
import { MS, type Operation } from './plan.ts';

/** An emulator that stands inside the step. */
export interface InnerEmulator {
  /** Of the file in `/dev/emulators`. */
  readonly name: string;
  /** Absolute host path. */
  readonly source: string;
}

export interface TracedMachine extends InnerEmulator {
  /** Hex, compared from the beginning of a program. */
  readonly magic: string;
  readonly mask: string;
}

export type Isolation =
  /** Own user namespace with its own binfmt_misc; `entries` are registration lines. */
  | { readonly kind: 'private'; readonly entries: readonly string[] }
  /**
   * The host's own table (or nothing foreign at all): no user namespace. `emulators` are those that the table names
   * by their path in the step.
   */
  | { readonly kind: 'host'; readonly emulators?: readonly InnerEmulator[] }
  /** No table at all: pid 1 traces every exec and starts the emulator of a foreign program. */
  | {
      readonly kind: 'prefix';
      readonly userNamespace: boolean;
      readonly machines: readonly TracedMachine[];
    };

export const hasUserNamespace = (isolation: Isolation): boolean =>
  isolation.kind === 'private' || (isolation.kind === 'prefix' && isolation.userNamespace);

/** Where an emulator stands inside: in the step's own /dev, so nothing of it can reach a layer. */
export const innerPath = (name: string): string => `/dev/emulators/${name}`;

/** Binds the emulators that have to be inside, read-only; `dev` is a relative path of the step's /dev. */
export function bindEmulators(isolation: Isolation, dev: string): Operation[] {
  const emulators = isolation.kind === 'prefix' ? isolation.machines : innerEmulators(isolation);
  if (emulators.length === 0) return [];
  const sources = new Map(emulators.map(({ name, source }) => [name, source])); // two machines may share one
  return [
    { op: 'mkdir', path: `${dev}/emulators`, mode: 0o755 },
    ...[...sources].flatMap(([name, source]): Operation[] => {
      const target = `${dev}/emulators/${name}`;
      return [
        { op: 'touch', path: target },
        { op: 'mount', source, target, type: '', flags: MS.BIND, data: '' },
        { op: 'restrict', target, flags: MS.RDONLY },
      ];
    }),
  ];
}

const innerEmulators = (isolation: Isolation): readonly InnerEmulator[] =>
  isolation.kind === 'host' ? (isolation.emulators ?? []) : [];

/** Pid 1 of the step: the rest of the plan runs in its child. */
export function supervisor(isolation: Isolation): Operation {
  if (isolation.kind !== 'prefix') return { op: 'init' };
  const emulators = isolation.machines.map(({ magic, mask, name }) => ({
    magic,
    mask,
    path: innerPath(name),
  }));
  return { op: 'trace', emulators };
}
