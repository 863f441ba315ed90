/** The Kubefile of a build, and what the command line changes about it before anything is made of it. */
import { contextKey, replaceStages } from './named-contexts.ts';
import type { EnvInstruction, Kubefile, Stage } from '../kubefile/instruction.ts';
import { parseKubefile } from '../kubefile/parse.ts';
import type { BuildOptions } from './options.ts';

/** As written, but for `--from`: it takes the place of the image that the first FROM names. Throws KUBEFILE_SYNTAX… */
export function writtenKubefile({
  file,
  dialect,
  from,
}: Pick<BuildOptions, 'file' | 'dialect' | 'from'>): Kubefile {
  const kubefile = parseKubefile(file.text, { file: file.path, dialect });
  const [first, ...others] = kubefile.stages;
  if (from === undefined || first === undefined) return kubefile;
  const image = from.toLowerCase() === 'scratch' ? from : contextKey(from);
  return { ...kubefile, stages: [{ ...first, from: { ...first.from, image } }, ...others] };
}

/** What is built of it: with `--env`, and with named contexts in the place of stages. Throws REFERENCE_INVALID. */
export const builtKubefile = (
  written: Kubefile,
  { environment, buildContexts }: Pick<BuildOptions, 'environment' | 'buildContexts'>,
): Kubefile => replaceStages(withEnvironment(written, environment), buildContexts);

/** `--env`: every stage begins with it, so that RUN and later words see it, and an ENV of the stage goes before it. */
function withEnvironment(kubefile: Kubefile, variables: BuildOptions['environment']): Kubefile {
  const pairs = Object.entries(variables).map(([key, value]) => ({ key, value: quoted(value) }));
  if (pairs.length === 0) return kubefile;
  const stageWith = (stage: Stage): Stage => {
    const source = `ENV ${Object.keys(variables).join(' ')} (--env)`;
    const first: EnvInstruction = { keyword: 'ENV', pairs, range: stage.from.range, source };
    return { ...stage, instructions: [first, ...stage.instructions] };
  };
  return { ...kubefile, stages: kubefile.stages.map(stageWith) };
}

/** A word that means exactly this, whatever the escape character is. */
const quoted = (value: string): string => `'${value.replaceAll("'", `'"'"'`)}'`;
