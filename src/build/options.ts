/** What a build is asked to do, fully defaulted: the CLI makes it, everything below reads it. */
import type { DomainPolicy } from '../cluster/gather/registry-files.ts';
import type { Acceleration, IsolationChoice } from '../emulation/emulation-request.ts';
import type { Digest } from '../oci/digest.ts';
import type { Platform } from '../oci/platform.ts';
import type { Choices } from '../emulation/emulator-choice.ts';
import type { Dialect } from '../kubefile/instruction.ts';
import type { ArchBuildError } from '../errors.ts';
import type { Reporter, StepName } from '../events.ts';
import type { StepSettings } from './step-settings.ts';
import type { Store } from '../store/store.ts';
import type { CacheSource, CacheTarget } from './cache/cache-options.ts';
import type { Output } from './output/output.ts';
import type { Outcome, SandboxOptions } from '../sys/sandbox.ts';

export type PullPolicy = 'always' | 'missing' | 'never';

/** Where a secret is: a file, or its value. */
export type Secret = { readonly path: string } | { readonly value: string };

/** What takes the place of an image: a directory of the host, another image, or one of an OCI layout. */
export type NamedContext =
  DirectoryContext | { readonly kind: 'image'; readonly reference: string } | LayoutContext;

export interface DirectoryContext {
  readonly kind: 'directory';
  readonly path: string;
  /** Instead of the directory's own; null for none. */
  readonly ignoreFile?: string | null;
}

/** Without tag and digest it is the layout's only image, else its `latest`. */
export interface LayoutContext {
  readonly kind: 'layout';
  readonly directory: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** By full name (`docker.io/library/hello:v1`). */
export type NamedContexts = ReadonlyMap<string, NamedContext>;

export interface KubefileSource {
  /** For messages and the dialect. */
  readonly path: string;
  readonly text: string;
  /** Where it is, when it is a file: an ignore file may be beside it. */
  readonly host?: string;
}

/** What is built from. */
export interface BuildSource {
  /** Absolute host path of the build context. */
  readonly context: string;
  /** What the user calls it, when that is no directory. */
  readonly contextName?: string;
  readonly file: KubefileSource;
  /** Host path of the ignore file; without one, what `openContext` looks for; null for none. */
  readonly ignoreFile?: string | null;
}

export interface BuildOptions extends BuildSource {
  /** Nothing may ask the network: neither we nor, unless `network` says so, a step. */
  readonly offline: boolean;
  readonly buildContexts: NamedContexts;
  /** Full references (`docker.io/library/hello:v1`). */
  readonly tags: readonly string[];
  /** Where the result goes besides the store, whose tags it gets in any case. */
  readonly outputs: readonly Output[];
  /** In the order asked for, without duplicates, never empty. */
  readonly platforms: readonly Platform[];
  /** Nobody named a platform: the image is for the one its last stage is for. */
  readonly platformImplied?: boolean;
  /** Platforms named with `--emulate`: their emulator must work even if nothing needs it. */
  readonly emulate: readonly Platform[];
  readonly dialect: 'auto' | Dialect;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Takes the place of the first FROM's image. */
  readonly from?: string | undefined;
  /** Set at the beginning of every stage. */
  readonly environment: Readonly<Record<string, string>>;
  /** Names that the image does not have, whoever set them. */
  readonly unset: { readonly environment: readonly string[]; readonly labels: readonly string[] };
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** One layer in place of all. */
  readonly squash?: boolean;
  /** Nothing says how the image came about. */
  readonly omitHistory?: boolean;
  /** Of the index over several platforms. */
  readonly indexAnnotations: Readonly<Record<string, string>>;
  readonly target: string | undefined;
  /** Stages up to the target are built although nothing of them is used. */
  readonly allStages?: boolean;
  readonly network: 'host' | 'none';
  /** Of every RUN's sandbox. */
  readonly steps: StepSettings;
  /** By id. */
  readonly secrets: ReadonlyMap<string, Secret>;
  /** Paths of the sockets of ssh agents, by id. */
  readonly sshAgents: ReadonlyMap<string, string>;
  readonly noCache: boolean;
  /** Milliseconds: what the cache has had for longer is made again. */
  readonly cacheTtl?: number | undefined;
  readonly cacheFrom: readonly CacheSource[];
  readonly cacheTo: readonly CacheTarget[];
  /** Stages and platforms that are worked on at the same time; 1: one after the other, in order. */
  readonly jobs: number;
  readonly pull: PullPolicy;
  readonly isolation: IsolationChoice;
  readonly emulator: Choices;
  readonly emulatorCpu: Choices;
  readonly accelerate: Acceleration;
  /** A step that an emulator has crashed in is run again with the next version. */
  readonly emulatorRetry: boolean;
  /** Seconds: every timestamp of new files and of the config. */
  readonly sourceDateEpoch: number | undefined;
  /** Registries that are spoken to without TLS. */
  readonly insecure: readonly string[];
  /** Container images for cluster images; without it none are gathered. */
  readonly gather?: GatherOptions;
  /** Programs for another machine in the result of a Kubefile; without it nobody looks. */
  readonly audit?: AuditOptions;
  /** Called while a failed RUN's sandbox can still be entered; the build fails all the same. */
  readonly onFailedStep?: (step: FailedStep) => Promise<void>;
}

export interface GatherOptions {
  /** Host paths of lists besides those in the rootfs. */
  readonly imageLists: readonly string[];
  readonly ignoredLists: readonly string[];
  /** Lists with credentials, besides the `imageListWithAuth.yaml` of the context. */
  readonly authLists: readonly string[];
  /** Words of `--image-source`, in order. */
  readonly sources: readonly string[];
  /** Host path of the lock; it is made when it is missing. */
  readonly lock: string | undefined;
  /** What the lock does not have is refused. */
  readonly locked: boolean;
  /** Files with values of charts; without a name they are for every chart. */
  readonly chartValues: readonly { readonly chart: string; readonly path: string }[];
  /** What charts are told of the cluster. */
  readonly kubeVersion: string | undefined;
  /** What manifests and charts name is left out. */
  readonly listsOnly: boolean;
  readonly names: DomainPolicy;
}

export interface AuditOptions {
  readonly policy: 'error' | 'warn';
  /** Patterns of paths (as in an ignore file) that may be for any machine. */
  readonly allow: readonly string[];
}

/** Which step it is, and what the user wrote. */
export interface StepText {
  readonly name: StepName;
  readonly text: string;
}

export interface FailedStep extends StepText {
  readonly error: ArchBuildError;
  /** A shell on a terminal, in the step's sandbox and with what the step has written. Nothing of it is kept. */
  enter(streams: Pick<SandboxOptions, 'stdin' | 'terminal'>): Promise<Outcome>;
}

/** What every step needs besides its operands. */
export interface Job {
  readonly store: Store;
  readonly report: Reporter;
  readonly signal: AbortSignal;
}
