/**
 * The instruction model: what the front end hands to the planner.
 *
 * Words are kept as written, quotes and `$VAR` included: expansion depends on the stage's ENV and ARG and is
 * done by the planner through `expand.ts`. JSON forms are already decoded.
 */

/** Line and column count from 1; column in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface SourceRange {
  readonly start: Position;
  readonly end: Position;
}

/** `<<-"EOF"`: body without its terminator line, leading tabs already removed when chomped. */
export interface Heredoc {
  readonly name: string;
  readonly body: string;
  /** False when the delimiter was quoted: the body is literal. */
  readonly expand: boolean;
  readonly chomp: boolean;
  readonly fileDescriptor: number;
}

/** Shell form is the text after keyword and flags, continuation lines joined; it is never expanded by us. */
export type Command =
  | { readonly form: 'shell'; readonly text: string }
  | { readonly form: 'exec'; readonly words: readonly string[] };

interface InstructionBase {
  readonly range: SourceRange;
  /** The instruction's own text with continuations joined, as history and logs show it. */
  readonly source: string;
}

/** An unexpanded `key=value` word pair. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

export interface FromInstruction extends InstructionBase {
  readonly keyword: 'FROM';
  readonly image: string;
  readonly platform?: string;
  readonly alias?: string;
}
export interface ArgInstruction extends InstructionBase {
  readonly keyword: 'ARG';
  /** `value` undefined: declared without a default. */
  readonly args: readonly { readonly key: string; readonly value?: string }[];
}
export interface EnvInstruction extends InstructionBase {
  readonly keyword: 'ENV';
  readonly pairs: readonly KeyValue[];
}
export interface LabelInstruction extends InstructionBase {
  readonly keyword: 'LABEL';
  readonly pairs: readonly KeyValue[];
}
export interface RunInstruction extends InstructionBase {
  readonly keyword: 'RUN';
  readonly command: Command;
  readonly heredocs: readonly Heredoc[];
  /** `--mount=` values as written, in order. */
  readonly mounts: readonly string[];
  readonly network?: string;
  readonly security?: string;
}
/** A COPY/ADD source: a word of the context (or URL), or an inline file. */
export type CopySource =
  { readonly kind: 'word'; readonly word: string } | { readonly kind: 'heredoc'; readonly heredoc: Heredoc };

export interface CopyFlags {
  readonly from?: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  /** ADD only. */
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  readonly unpack?: boolean;
}
export interface CopyInstruction extends InstructionBase {
  readonly keyword: 'COPY' | 'ADD';
  readonly flags: CopyFlags;
  readonly sources: readonly CopySource[];
  readonly destination: string;
}
export interface WordInstruction extends InstructionBase {
  readonly keyword: 'USER' | 'STOPSIGNAL' | 'MAINTAINER';
  readonly word: string;
}
export interface WorkdirInstruction extends InstructionBase {
  readonly keyword: 'WORKDIR';
  readonly word: string;
}
export interface CommandInstruction extends InstructionBase {
  readonly keyword: 'CMD' | 'ENTRYPOINT';
  readonly command: Command;
}
export interface WordsInstruction extends InstructionBase {
  readonly keyword: 'EXPOSE' | 'VOLUME';
  readonly words: readonly string[];
}
export interface ShellInstruction extends InstructionBase {
  readonly keyword: 'SHELL';
  readonly words: readonly string[];
}
/** Durations as written (`30s`); the planner turns them into nanoseconds. */
export interface HealthcheckInstruction extends InstructionBase {
  readonly keyword: 'HEALTHCHECK';
  readonly command: Command | 'NONE';
  readonly interval?: string;
  readonly timeout?: string;
  readonly startPeriod?: string;
  readonly startInterval?: string;
  readonly retries?: string;
}
export interface OnBuildInstruction extends InstructionBase {
  readonly keyword: 'ONBUILD';
  /** The trigger's text as the image config stores it; parsed again when a child image is built. */
  readonly trigger: string;
}

/** sealer's instructions of kubefile/v2: what a cluster does with the image. Words keep their `$VAR`. */
export interface AppInstruction extends InstructionBase {
  /** CNI and CSI are applications with a label. */
  readonly keyword: 'APP' | 'CNI' | 'CSI';
  readonly name: string;
  /** `local://path` without its scheme, and URLs. */
  readonly sources: readonly { readonly kind: 'local' | 'remote'; readonly word: string }[];
}
export interface AppCommandsInstruction extends InstructionBase {
  readonly keyword: 'APPCMDS';
  readonly name: string;
  readonly commands: readonly string[];
}
export interface AppEnvInstruction extends InstructionBase {
  readonly keyword: 'APPENV';
  readonly name: string;
  readonly pairs: readonly KeyValue[];
}
export interface KubeVersionInstruction extends InstructionBase {
  readonly keyword: 'KUBEVERSION';
  /** A range of versions, as written. */
  readonly word: string;
}
/** LAUNCH names applications, CMDS commands. */
export interface LaunchInstruction extends InstructionBase {
  readonly keyword: 'LAUNCH' | 'CMDS';
  readonly words: readonly string[];
}

export type ClusterInstruction =
  AppInstruction | AppCommandsInstruction | AppEnvInstruction | KubeVersionInstruction | LaunchInstruction;

export type Instruction =
  | FromInstruction
  | ArgInstruction
  | EnvInstruction
  | LabelInstruction
  | RunInstruction
  | CopyInstruction
  | WordInstruction
  | WorkdirInstruction
  | CommandInstruction
  | WordsInstruction
  | ShellInstruction
  | HealthcheckInstruction
  | OnBuildInstruction
  | ClusterInstruction;

export type Keyword = Instruction['keyword'];

/** One FROM and what follows it up to the next. */
export interface Stage {
  readonly index: number;
  /** Lower-cased alias, when there is one. */
  readonly name?: string;
  readonly from: FromInstruction;
  readonly instructions: readonly Exclude<Instruction, FromInstruction>[];
  /** Something outside of the file stands for it, whose name earlier stages may know, too. */
  readonly isReplaced?: true;
}

export interface Kubefile {
  /** As shown in messages. */
  readonly file: string;
  readonly text: string;
  readonly dialect: Dialect;
  /** The escape character: backslash, or backtick by directive. */
  readonly escape: '\\' | '`';
  /** `# check=` as written. */
  readonly check?: string;
  /** ARG instructions before the first FROM. */
  readonly globalArgs: readonly ArgInstruction[];
  readonly stages: readonly Stage[];
}

export type Dialect = 'dockerfile' | 'kubefile-v1' | 'kubefile-v2';
