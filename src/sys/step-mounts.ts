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
        /**
         * Only what is at `path` inside the source, reached through no symlink, whoever changes it meanwhile. The source
         * is mounted at `directory` for that, which is there, below the scratch directory.
         */
        readonly inside?: { readonly directory: string; readonly path: string } | undefined;
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
    | {
        readonly type: 'tmpfs';
        readonly kind: 'directory';
        readonly sizeBytes: number | undefined;
        /** It begins with what the rootfs has there. */
        readonly copyUp?: true;
      }
    /** Whatever is there is not seen. */
    | { readonly type: 'mask' }
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
  const ordered = mounts.filter(isPlaced).sort((a, b) => depthOf(a) - depthOf(b));
  const contents = mounts.some(({ type }) => type === 'content')
    ? [tmpfs(CONTENT_DIRECTORY, 'mode=700')]
    : [];
  return [
    ...contents,
    ...ordered.flatMap((mount, index) => one(mount, { ordered, index, options })),
    ...mounts
      .filter(({ type }) => type === 'mask')
      .map(({ target }): Operation => ({ op: 'mask', path: ROOT + target })),
  ];
}

/** All but masks, which come last and need no mount point. */
export type PlacedMount = Exclude<StepMount, { type: 'mask' }>;
export const isPlaced = (mount: StepMount): mount is PlacedMount => mount.type !== 'mask';

const depthOf = ({ target }: At): number => target.split('/').length;

interface Place {
  readonly ordered: readonly PlacedMount[];
  readonly index: number;
  readonly options: MountsOptions;
}

/** The mount, then the mount points that others need inside it, then what makes it read-only. */
function one(mount: PlacedMount, { ordered, index, options }: Place): Operation[] {
  const later = ordered.slice(index + 1);
  const inside = later.filter((other) => coverOf(other, ordered) === mount);
  const isInDev = mount.target.startsWith('/dev/') && coverOf(mount, ordered) === undefined;
  return [
    ...(isInDev ? [mountpoint(mount)] : []),
    ...make(mount, { index, options }),
    ...inside.map(mountpoint),
    ...('readOnly' in mount && mount.readOnly
      ? [{ op: 'restrict', target: ROOT + mount.target, flags: MS.RDONLY } as const]
      : []),
  ];
}

const mountpoint = ({ target, kind }: PlacedMount): Operation => ({
  op: 'mountpoint',
  path: ROOT + target,
  kind,
});

/** The deepest mount that a target lies in. */
function coverOf(mount: PlacedMount, ordered: readonly PlacedMount[]): PlacedMount | undefined {
  return ordered.findLast(({ target }) => mount.target.startsWith(`${target}/`));
}

function make(mount: PlacedMount, { index, options }: Omit<Place, 'ordered'>): Operation[] {
  const target = ROOT + mount.target;
  switch (mount.type) {
    case 'bind': {
      const { source, inside } = mount;
      if (inside === undefined) return [bind(source, target)];
      return [bind(source, inside.directory), bind(`${inside.directory}/${inside.path}`, target)];
    }
    case 'layers': {
      const { directory, lowerCount, path } = mount;
      return [options.overlay(directory, lowerCount), bind(`${directory}/merged/${path}`, target)];
    }
    case 'tmpfs':
      return makeTmpfs(mount, { target, place: `copy-${index}` });
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

/** What is copied must be seen until then, so it is filled elsewhere: below the scratch directory. */
function makeTmpfs(
  { sizeBytes, copyUp }: Extract<StepMount, { type: 'tmpfs' }>,
  { target, place }: { readonly target: string; readonly place: string },
): Operation[] {
  const data = sizeBytes === undefined ? 'mode=1777' : `mode=1777,size=${sizeBytes}`;
  if (copyUp === undefined) return [tmpfs(target, data)];
  return [
    { op: 'mkdir', path: place, mode: 0o700 },
    tmpfs(place, data),
    { op: 'copy', source: target, target: place },
    bind(place, target),
  ];
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
