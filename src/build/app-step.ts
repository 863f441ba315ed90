/** APP, CNI, CSI: files copied to the application's directory, and how they are started by what they are. */
import { expandWord } from '../kubefile/expand.ts';
import type { AppInstruction, CopyInstruction } from '../kubefile/instruction.ts';
import { formatBytePath } from '../layer/byte-path.ts';
import type { CachedStep } from './cached-step.ts';
import { APPLICATIONS, type Application, type ApplicationType } from './cluster-image.ts';
import { withNewApplication } from './cluster-steps.ts';
import { withArch, type CopyContext } from './copy-operands.ts';
import { planCopy } from './copy-step.ts';
import { selectSources } from './copy-sources.ts';
import type { StepName } from '../events.ts';
import { scopeOf } from './scope.ts';
import type { StageState } from './stage-state.ts';

/** The state that has the application, and the step that copies its files. */
export async function planApp(
  context: CopyContext,
  state: StageState,
  { instruction, name }: { readonly instruction: AppInstruction; readonly name: StepName },
): Promise<{ state: StageState; step: CachedStep }> {
  const step = await planCopy(context, state, { instruction: copyOf(instruction), name });
  const started = await startedBy(context, state, instruction);
  return { state: withNewApplication(state, instruction, started), step };
}

/** What docker would write: ADD when something has to be fetched, and archives stay as they are. */
function copyOf({ range, source, name, sources }: AppInstruction): CopyInstruction {
  const isRemote = sources.some(({ kind }) => kind === 'remote');
  return {
    keyword: isRemote ? 'ADD' : 'COPY',
    range,
    source,
    flags: { link: false, parents: false, exclude: [], ...(isRemote ? { unpack: false } : {}) },
    sources: sources.map(({ word }) => ({ kind: 'word', word })),
    destination: `${APPLICATIONS}/${name}/`,
  };
}

async function startedBy(
  context: CopyContext,
  state: StageState,
  { sources }: AppInstruction,
): Promise<Pick<Application, 'type' | 'files'>> {
  const scope = scopeOf(withArch(context, state.variables));
  const words = sources.map(({ kind, word }) => ({
    kind,
    word: expandWord(word, scope, { escape: context.words.escape }),
  }));
  const local = words.filter(({ kind }) => kind === 'local').map(({ word }) => word);
  const remote = words.filter(({ kind }) => kind === 'remote').map(({ word }) => nameOfUrl(word));
  const selected =
    local.length === 0
      ? []
      : await selectSources(context.context().tree, local, { signal: context.job.signal });
  const files = selected.flatMap(({ name, node, files: below }) =>
    node.type === 'directory'
      ? below.filter((file) => file.node.type !== 'directory').map(({ path }) => asText(path))
      : [asText(name)],
  );
  const directories = selected.flatMap(({ files: below }) =>
    below.filter(({ node }) => node.type === 'directory').map(({ path }) => asText(path)),
  );
  return startOf([...files, ...remote], directories);
}

const asText = (path: string): string =>
  formatBytePath(path as Parameters<typeof formatBytePath>[0]).replace(/^\//, '');

const nameOfUrl = (url: string): string => new URL(url).pathname.split('/').at(-1) ?? '';

/** Paths are as in the application's directory. */
export function startOf(
  files: readonly string[],
  directories: readonly string[],
): Pick<Application, 'type' | 'files'> {
  const isChart =
    files.includes('Chart.yaml') && files.includes('values.yaml') && directories.includes('templates');
  if (isChart) return { type: 'helm', files: [] };
  const rows: readonly (readonly [ApplicationType, RegExp])[] = [
    ['shell', /\.sh$/i],
    ['kube', /\.ya?ml$/i],
  ];
  const [type] = rows.find(
    ([, pattern]) => files.length > 0 && files.every((file) => pattern.test(file)),
  ) ?? [''];
  return { type, files };
}
