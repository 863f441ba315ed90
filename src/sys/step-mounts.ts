/**
 * The mounts a step asks for itself (`RUN --mount`), in the form of plan operations. They are made in the order of
 * their depth, so that one may lie inside another, and through no symlink: what another mount holds is not ours.
 */
import { MS, type Operation } from './plan.ts';

interface At {
  /** Absolute path in the image, free of symlinks as far as the image goes. */
  readonly target: string;
}

export type StepMount = At &
  (
    | {
        readonly type: 'bind';
        readonly kind: 'file' | 'directory';
        readonly source: string;
        readonly readOnly: boolean;
      }
    /** What layers show at a path; what is written is thrown away with the step. */
    | {
        readonly type: 'layers';
        readonly kind: 'file' | 'directory';
        /** Below the scratch directory: holds `l/0 … l/N-1`, `upper`, `work` and `merged`, as the step's own does. */
        readonly directory: string;
        readonly lowerCount: number;
        /** Inside the layers, without symlinks; '' for all. */
        readonly path: string;
        readonly readOnly: boolean;
      }
    | { readonly type: 'tmpfs'; readonly kind: 'directory'; readonly sizeBytes: number | undefined }
    /** A secret: it is in memory only. */
    | {
        readonly type: 'content';
        readonly kind: 'file';
        readonly mode: number;
        readonly uid: number;
        readonly gid: number;
        readonly content: Uint8Array;
      }
  );

export interface MountsOptions {
  /** Mounts an overlay made of a directory such as a step's. */
  readonly overlay: (directory: string, lowerCount: number) => Operation;
}

const ROOT = 'merged';
/** A tmpfs below the scratch directory, which has to exist. */
export const CONTENT_DIRECTORY = 'content';

export function stepMounts(mounts: readonly StepMount[], options: MountsOptions): Operation[] {
  const ordered = [...mounts].sort((a, b) => depthOf(a) - depthOf(b));
  const contents = mounts.some(({ type }) => type === 'content')
    ? [tmpfs(CONTENT_DIRECTORY, 'mode=700')]
    : [];
  return [...contents, ...ordered.flatMap((mount, index) => one(mount, { ordered, index, options }))];
}

const depthOf = ({ target }: At): number => target.split('/').length;

interface Place {
  readonly ordered: readonly StepMount[];
  readonly index: number;
  readonly options: MountsOptions;
}

/** The mount, then the mount points that others need inside it, then what makes it read-only. */
function one(mount: StepMount, { ordered, index, options }: Place): Operation[] {
  const later = ordered.slice(index + 1);
  const inside = later.filter((other) => coverOf(other, ordered) === mount);
  const isInDev = mount.target.startsWith('/dev/') && coverOf(mount, ordered) === undefined;
  return [
    ...(isInDev ? [{ op: 'mountpoint', path: ROOT + mount.target, kind: mount.kind } as const] : []),
    ...make(mount, { index, options }),
    ...inside.map(({ target, kind }): Operation => ({ op: 'mountpoint', path: ROOT + target, kind })),
    ...('readOnly' in mount && mount.readOnly
      ? [{ op: 'restrict', target: ROOT + mount.target, flags: MS.RDONLY } as const]
      : []),
  ];
}

/** The deepest mount that a target lies in. */
function coverOf(mount: StepMount, ordered: readonly StepMount[]): StepMount | undefined {
  return ordered.findLast(({ target }) => mount.target.startsWith(`${target}/`));
}

function make(mount: StepMount, { index, options }: Omit<Place, 'ordered'>): Operation[] {
  const target = ROOT + mount.target;
  switch (mount.type) {
    case 'bind':
      return [bind(mount.source, target)];
    case 'layers': {
      const { directory, lowerCount, path } = mount;
      return [options.overlay(directory, lowerCount), bind(`${directory}/merged/${path}`, target)];
    }
    case 'tmpfs':
      return [
        tmpfs(target, mount.sizeBytes === undefined ? 'mode=1777' : `mode=1777,size=${mount.sizeBytes}`),
      ];
    case 'content': {
      const { mode, uid, gid, content } = mount;
      const path = `${CONTENT_DIRECTORY}/${index}`;
      return [
        { op: 'file', path, mode, uid, gid, content },
        bind(path, target),
        { op: 'restrict', target, flags: MS.RDONLY },
      ];
    }
  }
}

const bind = (source: string, target: string): Operation => ({
  op: 'mount',
  source,
  target,
  type: '',
  flags: MS.BIND | MS.REC,
  data: '',
});

const tmpfs = (target: string, data: string): Operation => ({
  op: 'mount',
  source: 'tmpfs',
  target,
  type: 'tmpfs',
  flags: MS.NOSUID | MS.NODEV,
  data,
});
