/** Which stages a target needs, by FROM, COPY --from and RUN --mount=from. */
import { ArchBuildError } from '../errors.ts';
import { expandWord, type Scope } from './expand.ts';
import type { Instruction, Kubefile, Stage } from './instruction.ts';
import { mountOption } from './mount-option.ts';
import { errorAt, placeOf, readSource } from './source-text.ts';

export interface StageChoice {
  /** A name or an index; by default the last stage. */
  readonly target?: string | undefined;
  /** Those that nobody needs as well, up to the target. */
  readonly allStages?: boolean;
}

/**
 * The needed stages in file order; the target is the last one. `scope` expands FROM: without it only the values that global ARGs give themselves are known, not --build-arg.
 *
 * Throws STAGE_UNKNOWN, and KUBEFILE_SEMANTICS for a stage that uses itself or one that comes later. References of
 * stages nobody needs are not looked at.
 */
export function selectStages(
  kubefile: Kubefile,
  { target, allStages = false }: StageChoice = {},
  scope: Scope = globalDefaults(kubefile),
): Stage[] {
  const needed = new Set<Stage>();
  const last = findTarget(kubefile, target);
  const pending = allStages ? kubefile.stages.slice(0, last.index + 1) : [last];
  for (let stage = pending.pop(); stage !== undefined; stage = pending.pop()) {
    if (needed.has(stage)) continue;
    needed.add(stage);
    pending.push(...stagesUsedBy(kubefile, stage, scope));
  }
  return kubefile.stages.filter((stage) => needed.has(stage));
}

/** The target and the stages it stands on, by FROM alone: the others are only copied from. Throws STAGE_UNKNOWN. */
export function lineage(
  kubefile: Kubefile,
  target?: string,
  scope: Scope = globalDefaults(kubefile),
): ReadonlySet<Stage> {
  const found = new Set<Stage>();
  for (let stage: Stage | undefined = findTarget(kubefile, target); stage !== undefined;) {
    found.add(stage);
    stage = baseStageOf(kubefile, stage, scope);
  }
  return found;
}

/** What does not expand here may with the build's own scope, and is reported by whoever has that. */
function baseStageOf(kubefile: Kubefile, stage: Stage, scope: Scope): Stage | undefined {
  const image = expandOrNothing(stage.from.image, scope, kubefile.escape);
  return image === undefined ? undefined : findBaseStage(kubefile, image, stage.index);
}

/** `FROM name`: the nearest earlier stage of that name; undefined when it is an image. */
export function findBaseStage(kubefile: Kubefile, name: string, before: number): Stage | undefined {
  return kubefile.stages.findLast((stage) => stage.index < before && stage.name === name.toLowerCase());
}

/**
 * `--from=name` in `stage`: a stage by name or index; undefined when it is an image. Throws KUBEFILE_SEMANTICS for
 * the stage itself, a later stage that is built, an index nobody has, and a name that several earlier stages have.
 */
export function findCopyStage(kubefile: Kubefile, stage: Stage, name: string): Stage | undefined {
  const number = /^\d+$/.test(name);
  const same = kubefile.stages.filter((other) =>
    number ? other.index === Number(name) : other.name === name.toLowerCase(),
  );
  const earlier = same.filter((other) => other.index < stage.index);
  const [found] = earlier;
  if (earlier.length > 1) throw semantics(`stage name "${name}" is ambiguous: ${linesOf(earlier)} define it`);
  if (found !== undefined) return found;
  if (same.includes(stage)) throw semantics(`circular dependency detected on stage "${name}"`);
  if (same.some(({ isReplaced }) => isReplaced !== true)) {
    const current = stage.name ?? String(stage.index);
    throw semantics(
      `cannot copy from stage "${name}", it needs to be defined before current stage "${current}"`,
    );
  }
  if (number) throw semantics(`there is no stage ${name}: they are numbered from 0`);
  return undefined;
}

function findTarget({ stages }: Kubefile, target: string | undefined): Stage {
  const found =
    target === undefined
      ? stages.at(-1)
      : (stages.findLast(({ name }) => name === target.toLowerCase()) ??
        stages.find(({ index }) => String(index) === target));
  if (found !== undefined) return found;
  const names = stages.map(({ name, index }) => name ?? String(index)).join(', ');
  throw new ArchBuildError('STAGE_UNKNOWN', `there is no stage "${target ?? ''}"`, {
    hint: `The stages are ${names}`,
  });
}

/** The stages that FROM, COPY --from and RUN --mount of `stage` name. Throws as `selectStages` does. */
export function stagesUsedBy(kubefile: Kubefile, stage: Stage, scope: Scope): Stage[] {
  const base = baseStageOf(kubefile, stage, scope);
  const used = stage.instructions.flatMap((instruction) =>
    imageWordsOf(instruction).flatMap((name) =>
      // Only the build knows what a variable is when it gets there: any earlier stage may be meant.
      name.includes('$')
        ? kubefile.stages.slice(0, stage.index)
        : locatedCopyStage(kubefile, stage, { instruction, name }),
    ),
  );
  return [base, ...used].filter((found) => found !== undefined);
}

/** Throws KUBEFILE_SEMANTICS for a stage that copies from itself, also where something else stands for it. */
export function refuseLoop(kubefile: Kubefile, stage: Stage): void {
  for (const instruction of stage.instructions)
    for (const name of imageWordsOf(instruction))
      if (name.toLowerCase() === stage.name || name === String(stage.index))
        locatedCopyStage(kubefile, stage, { instruction, name });
}

/** The words of `--from=` and of `from=` in a mount, as written. */
export function imageWordsOf(instruction: Instruction): string[] {
  const names =
    instruction.keyword === 'COPY'
      ? [instruction.flags.from]
      : instruction.keyword === 'RUN'
        ? instruction.mounts.map((mount) => mountOption(mount, 'from'))
        : [];
  return names.filter((name) => name !== undefined);
}

/** Errors get the place of the name, which is found again in the text. */
function locatedCopyStage(
  kubefile: Kubefile,
  stage: Stage,
  { instruction, name }: { readonly instruction: Instruction; readonly name: string },
): Stage | undefined {
  try {
    return findCopyStage(kubefile, stage, name);
  } catch (error) {
    if (!(error instanceof ArchBuildError)) throw error;
    const { message, code, hint } = error;
    const source = readSource(kubefile.text, kubefile.file);
    throw errorAt(source, placeOf(source, instruction.range, `from=${name}`), { message, code, hint });
  }
}

function globalDefaults({ globalArgs, escape }: Kubefile): Scope {
  const values = new Map<string, string>();
  for (const { key, value } of globalArgs.flatMap(({ args }) => args)) {
    const expanded = value === undefined ? undefined : expandOrNothing(value, values, escape);
    if (expanded !== undefined) values.set(key, expanded);
  }
  return values;
}

function expandOrNothing(word: string, scope: Scope, escape: Kubefile['escape']): string | undefined {
  try {
    return expandWord(word, scope, { escape });
  } catch {
    return undefined;
  }
}

const semantics = (message: string): ArchBuildError => new ArchBuildError('KUBEFILE_SEMANTICS', message);

const linesOf = (stages: readonly Stage[]): string =>
  `lines ${stages.map(({ from }) => String(from.range.start.line)).join(' and ')}`;
