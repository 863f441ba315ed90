/** What the command line gives to the commands, as commander names it. */
import type { HostKeys } from '../sys/ssh.ts';
import type { Acceleration, IsolationChoice } from '../emulation/emulation-request.ts';

/** Container images for cluster images. */
export interface GatherFlags {
  readonly gather: 'auto' | 'list' | 'none';
  readonly gatherNames: 'path' | 'full';
  readonly imageList: readonly string[];
  readonly imageListWithAuth: readonly string[];
  readonly chartValues: readonly string[];
  readonly kubeVersion?: string;
  readonly imageSource: readonly string[];
  readonly imageLock?: string;
  readonly locked?: boolean;
  readonly ignoredImageList: readonly string[];
}

/** Where images come from and how their foreign programs run: what `withRunOptions` adds. */
interface RunOptionFlags {
  readonly pull: 'always' | 'missing' | 'never';
  readonly insecure: readonly string[];
  readonly isolation: IsolationChoice;
  readonly emulator: readonly string[];
  readonly emulatorCpu: readonly string[];
  /** True without a value. */
  readonly accelerate?: true | Acceleration;
}

/** What `withLimitOptions` adds. */
export interface GroupFlags {
  readonly memory?: string;
  readonly memorySwap?: string;
  readonly cpuShares?: string;
  readonly cpuPeriod?: string;
  readonly cpuQuota?: string;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly pidsLimit?: string;
  readonly cgroupParent?: string;
  readonly cgroupns: 'private' | 'host';
}

interface LimitFlags extends GroupFlags {
  readonly securityOpt: readonly string[];
}

export interface BuildFlags extends GatherFlags, RunOptionFlags, LimitFlags {
  readonly file: readonly string[];
  readonly ignorefile?: string;
  readonly tag: readonly string[];
  readonly manifest?: string;
  readonly emulate: readonly string[];
  readonly platform: readonly string[];
  readonly output: readonly string[];
  readonly dialect: 'auto' | 'dockerfile' | 'kubefile-v1' | 'kubefile-v2';
  readonly buildArg: readonly string[];
  readonly buildArgFile: readonly string[];
  readonly buildContext: readonly string[];
  readonly from?: string;
  readonly env: readonly string[];
  readonly unsetenv: readonly string[];
  readonly unsetlabel: readonly string[];
  readonly label: readonly string[];
  readonly annotation: readonly string[];
  readonly identityLabel?: boolean;
  readonly omitHistory?: boolean;
  readonly squashAll?: boolean;
  readonly cacheTtl?: number;
  readonly cppFlag: readonly string[];
  readonly target?: string;
  readonly skipUnusedStages: 'true' | 'false';
  readonly network: 'host' | 'none' | 'default';
  readonly stdin?: boolean;
  readonly hosts: boolean;
  readonly hostname: boolean;
  readonly hostnameFile?: boolean;
  readonly addHost: readonly string[];
  readonly groupAdd: readonly string[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOption: readonly string[];
  readonly volume: readonly string[];
  readonly device: readonly string[];
  readonly shmSize?: string;
  readonly ulimit: readonly string[];
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly secret: readonly string[];
  readonly ssh: readonly string[];
  readonly cache: boolean;
  readonly cacheFrom: readonly string[];
  readonly cacheTo: readonly string[];
  readonly jobs?: number;
  readonly emulatorRetry?: boolean;
  readonly shellOnError?: boolean;
  readonly sourceDateEpoch?: number;
  readonly progress: 'auto' | 'tty' | 'plain' | 'json' | 'quiet';
  readonly quiet?: boolean;
  readonly logfile?: string;
  readonly logsplit?: boolean;
  readonly logRusage?: boolean;
  readonly rusageLogfile?: string;
  readonly iidfile?: string;
  readonly metadataFile?: string;
  readonly audit: 'error' | 'warn' | 'off';
  readonly auditAllow: readonly string[];
  readonly check?: boolean;
  readonly plan?: boolean;
  readonly json?: boolean;
}

export interface GatherCommandFlags
  extends GatherFlags, Pick<BuildFlags, 'emulate' | 'platform' | 'pull' | 'insecure' | 'json'> {
  readonly list?: boolean;
}

export interface PackageFlags {
  readonly output?: string;
  readonly emulators: readonly string[];
  readonly node?: string;
}

export interface KitFlags extends Pick<
  BuildFlags,
  | 'file'
  | 'emulate'
  | 'platform'
  | 'dialect'
  | 'buildArg'
  | 'buildArgFile'
  | 'buildContext'
  | 'target'
  | 'pull'
  | 'insecure'
> {
  readonly output: string;
  readonly emulators: readonly string[];
  readonly image: readonly string[];
  readonly node?: string;
}

/** The hosts of a cluster, and how they are reached. */
export interface HostFlags {
  readonly masters: readonly string[];
  readonly nodes: readonly string[];
  readonly port?: number;
  readonly identity?: string;
  readonly sshConfig?: string;
  readonly hostKeys: HostKeys;
  readonly cluster: string;
}

export interface ClusterPlanFlags extends HostFlags {
  /** `IP=PLATFORM`. */
  readonly platform: readonly string[];
  readonly env: readonly string[];
  readonly user?: string;
  readonly json?: boolean;
}

export interface RunFlags extends HostFlags, RunOptionFlags, LimitFlags {
  readonly jobs: number;
  readonly dryRun?: boolean;
  readonly force?: boolean;

  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly platform?: string;
  readonly env: readonly string[];
  readonly volume: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly entrypoint?: string;
  readonly network: 'host' | 'none';
}

export interface ListFlags {
  readonly format: 'table' | 'json';
  readonly json?: boolean;
}

export interface ImagesFlags extends ListFlags {
  readonly trunc: boolean;
  readonly quiet?: boolean;
  readonly digests?: boolean;
  readonly platforms?: boolean;
  readonly filter: readonly string[];
}

export interface PlatformFlags {
  readonly platform?: string;
}

/** An image of the store or of another place. */
interface InspectedFlags extends PlatformFlags {
  readonly insecure: readonly string[];
}

export type HistoryFlags = InspectedFlags & ListFlags;

export interface InspectFlags extends InspectedFlags {
  readonly format: 'json' | 'config' | 'manifest' | 'index' | 'sealer';
  readonly raw?: boolean;
}

export interface MountFlags extends PlatformFlags {
  readonly rw?: boolean;
  readonly registry?: boolean;
  readonly json?: boolean;
}

export interface UnmountFlags {
  readonly all?: boolean;
}

export interface PruneFlags {
  readonly dryRun?: boolean;
  readonly all?: boolean;
  readonly filter: readonly string[];
  readonly keepBytes?: number;
  readonly json?: boolean;
}

export interface DfFlags extends ListFlags {
  readonly verbose?: boolean;
}

export interface DoctorFlags {
  readonly platform: readonly string[];
  readonly emulator: readonly string[];
  readonly registry: readonly string[];
  readonly fix?: boolean;
  readonly report?: string;
  readonly json?: boolean;
}

export interface VerifyFlags extends PlatformFlags {
  readonly deep?: boolean;
  readonly json?: boolean;
}

export interface FetchFlags {
  readonly toolbox?: boolean;
  readonly emulatorVersion?: string;
}

export interface ExportFlags extends Pick<FetchFlags, 'emulatorVersion'> {
  readonly output?: string;
}

export interface RegisterFlags {
  readonly flags: string;
  readonly emulator?: string;
  readonly persist?: boolean;
  readonly replace?: boolean;
  readonly json?: boolean;
}

export interface UnregisterFlags {
  readonly json?: boolean;
}

export const wantsJson = ({ format, json }: ListFlags): boolean => json === true || format === 'json';
