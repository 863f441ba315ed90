/** What a check of a Kubefile is made of: rules that look at one file, and what they find. */
import type { Variables } from '../arg-values.ts';
import type { Instruction, Kubefile, Position, Stage } from '../instruction.ts';
import type { SourceText } from '../source-text.ts';
import type { Statement } from '../statement.ts';

export interface Finding {
  readonly rule: string;
  readonly message: string;
  readonly position: Position;
}

/** A rule's own word about one place. */
export type Remark = Omit<Finding, 'rule'>;

export interface Rule {
  readonly name: string;
  /** One sentence, for lists of rules and for programs. */
  readonly about: string;
  /** `build`: a build says it too. `check`: --check only. `experimental`: only when `experimental=` names it. */
  readonly when: 'build' | 'check' | 'experimental';
  readonly find: (input: LintInput) => Iterable<Remark>;
}

/** One of the platforms that are asked for. */
export interface LintPlatform {
  /** `linux/arm64` */
  readonly name: string;
  readonly architecture: string;
  /** The automatic ARGs (`TARGETARCH`, …). */
  readonly args: Variables;
}

/** What is known of an image that FROM names, without asking a registry. */
export interface ImageFacts {
  readonly environment: Variables;
  /** `linux/arm64`, … */
  readonly platforms: readonly string[];
}

/** What a source word of COPY or ADD selects from the build context. */
export interface SourceFacts {
  readonly kind: 'missing' | 'excluded' | 'file' | 'directory' | 'several';
  /** Paths in the context, of programs and of files that hold credentials. */
  readonly programs: readonly { readonly path: string; readonly architectures: readonly string[] }[];
  readonly credentials: readonly string[];
}

/** The world around the file, as a value: whoever can see it looks before the rules do. */
export interface LintFacts {
  /** By the name in FROM, expanded. */
  readonly images: ReadonlyMap<string, ImageFacts>;
  /** By the word, expanded. */
  readonly sources: ReadonlyMap<string, SourceFacts>;
}

export const NO_FACTS: LintFacts = { images: new Map(), sources: new Map() };

export type StageInstruction = Stage['instructions'][number];

/** An instruction and the variables its words see. */
export interface LintStep {
  readonly instruction: StageInstruction;
  readonly variables: Variables;
  /** Names that ARG declared, with a value or without. */
  readonly declared: ReadonlySet<string>;
}

export interface LintStage {
  readonly stage: Stage;
  /** The stage that FROM names, when it is one. */
  readonly parent: LintStage | undefined;
  /** FROM's image, expanded. */
  readonly image: string;
  readonly steps: readonly LintStep[];
  /** What a stage built on this one sees, ENV before ARG. */
  readonly end: Omit<LintStep, 'instruction'> & { readonly environment: Variables };
  /** False when the base's environment is not known, so that any name may come from there. */
  readonly complete: boolean;
}

export interface LintInput {
  readonly kubefile: Kubefile;
  readonly source: SourceText;
  readonly statements: readonly Statement[];
  readonly statementOf: (instruction: Instruction) => Statement | undefined;
  /** For the first platform: what is true of names is true for all. */
  readonly stages: readonly LintStage[];
  /** For each platform, in order. */
  readonly byPlatform: readonly { readonly platform: LintPlatform; readonly stages: readonly LintStage[] }[];
  /** Variables that FROM sees; `defaults` without --build-arg. */
  readonly globals: Variables;
  readonly defaults: Variables;
  readonly facts: LintFacts;
}
