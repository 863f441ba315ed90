/** The words of COPY and ADD with their variables replaced, and what the history says of them. */
import { ArchBuildError } from '../errors.ts';
import { expandText, expandWord } from '../kubefile/expand.ts';
import type { CopyInstruction, Heredoc } from '../kubefile/instruction.ts';
import type { Platform } from '../oci/platform.ts';
import { isRemote } from './add-remote.ts';
import { parseChmod, type ModeChange } from './chmod.ts';
import type { WordContext } from './config-steps.ts';
import type { RunContext } from './step-context.ts';
import { scopeOf, type Variables } from './scope.ts';
import type { StageState } from './stage-state.ts';

export interface CopyContext extends RunContext {
  readonly target: Platform;
  readonly words: WordContext;
}

/** The instruction with every word expanded. */
export interface CopyOperands {
  readonly words: readonly string[];
  readonly urls: readonly string[];
  readonly heredocs: readonly { readonly name: string; readonly body: string }[];
  readonly destination: string;
  readonly from: string | undefined;
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly changeMode: ModeChange | undefined;
  readonly exclude: readonly string[];
}

/** Throws EXPANSION, and what is wrong with the expanded words. */
export function expandOperands(
  context: CopyContext,
  state: StageState,
  { keyword, sources, flags, destination }: CopyInstruction,
): CopyOperands {
  const { escape } = context.words;
  const expand = (word: string): string => expandWord(word, scopeOf(state.variables), { escape });
  const sourceScope = scopeOf(withArch(context, state.variables));
  const words = sources.flatMap((source) =>
    source.kind === 'word' ? [expandWord(source.word, sourceScope, { escape })] : [],
  );
  const [remote] = words.filter(isRemote);
  if (keyword === 'COPY' && remote !== undefined)
    throw new ArchBuildError('COPY', `COPY takes no URL: ${remote}`, { hint: 'write ADD' });
  const optional = (word: string | undefined): string | undefined =>
    word === undefined ? undefined : expand(word);
  // Variables may come to nothing, and that to no flag at all.
  const [chown, chmod] = [flags.chown, flags.chmod].map((word) => optional(word) || undefined);
  return {
    words: words.filter((word) => !isRemote(word)),
    urls: words.filter(isRemote),
    heredocs: sources.flatMap((source) =>
      source.kind === 'heredoc'
        ? [{ name: source.heredoc.name, body: bodyOf(source.heredoc, state.variables) }]
        : [],
    ),
    destination: expand(destination),
    from: optional(flags.from),
    chown,
    chmod,
    changeMode: chmod === undefined ? undefined : parseChmod(chmod),
    exclude: flags.exclude.map(expand),
  };
}

/** sealer's `${ARCH}`, unless the Kubefile has an ARCH of its own. */
export function withArch({ dialect, target }: CopyContext, variables: Variables): Variables {
  return dialect === 'dockerfile' || variables.has('ARCH')
    ? variables
    : new Map([...variables, ['ARCH', target.architecture]]);
}

const bodyOf = ({ body, expand }: Heredoc, variables: Variables): string =>
  expand ? expandText(body, scopeOf(variables)) : body;

/** As the image's history has it: BuildKit's words, and `--from` besides. */
export function historyText({ keyword, flags, sources }: CopyInstruction, operands: CopyOperands): string {
  const shown = [
    ...(flags.parents ? ['--parents'] : []),
    ...(flags.from === undefined ? [] : [`--from=${operands.from ?? ''}`]),
    ...(operands.chown === undefined ? [] : [`--chown=${operands.chown}`]),
    ...(operands.chmod === undefined ? [] : [`--chmod=${operands.chmod}`]),
    ...operands.words,
    ...operands.urls,
    ...sources.flatMap((source) => (source.kind === 'heredoc' ? [`<<${source.heredoc.name}`] : [])),
    operands.destination,
  ];
  return `${keyword} ${shown.join(' ')}`;
}
