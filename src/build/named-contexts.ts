/** `--build-context NAME=…`: what a name of FROM, of a stage and of `from=` means instead. */
import { ArchBuildError } from '../errors.ts';
import type { Kubefile, Stage } from '../kubefile/instruction.ts';
import { refuseLoop } from '../kubefile/select-stages.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Platform } from '../oci/platform.ts';
import { formatReference, parseReference, withDefaultTag } from '../oci/reference.ts';
import { storeSink } from '../store/content-sink.ts';
import { openContext, type BuildContext } from './context.ts';
import type { Job, LayoutContext, NamedContexts } from './options.ts';

/** The key of a name in `NamedContexts`. Throws REFERENCE_INVALID. */
export const contextKey = (name: string): string => formatReference(withDefaultTag(parseReference(name)));

/**
 * A stage that a context is named like is that context: none of its instructions runs. Throws KUBEFILE_SEMANTICS where
 * they make no sense all the same.
 */
export function replaceStages(kubefile: Kubefile, contexts: NamedContexts): Kubefile {
  if (contexts.size === 0) return kubefile;
  return { ...kubefile, stages: kubefile.stages.map((stage) => replaceStage(kubefile, stage, contexts)) };
}

function replaceStage(kubefile: Kubefile, stage: Stage, contexts: NamedContexts): Stage {
  const { name, from } = stage;
  if (name === undefined || !contexts.has(contextKey(name))) return stage;
  refuseLoop(kubefile, stage);
  const { platform: _platform, ...rest } = from;
  return { ...stage, from: { ...rest, image: name }, instructions: [], isReplaced: true };
}

/** The directories among the contexts, each opened once. */
export class ContextDirectories {
  readonly #contexts: NamedContexts;
  readonly #opened = new Map<string, BuildContext>();
  readonly #asked = new Set<string>();

  constructor(contexts: NamedContexts) {
    this.#contexts = contexts;
  }

  /** Undefined when the name means something else. Throws REFERENCE_INVALID, and what `openContext` throws. */
  find(name: string): BuildContext | undefined {
    if (this.#contexts.size === 0) return undefined;
    const key = contextKey(name);
    this.#asked.add(key);
    const context = this.#contexts.get(key);
    if (context?.kind !== 'directory') return undefined;
    const { path, ...options } = context;
    const opened = this.#opened.get(key) ?? openContext(path, options);
    this.#opened.set(key, opened);
    return opened;
  }

  /** The names that nobody has asked for, as short as they can be written. */
  unused(): string[] {
    const names = [...this.#contexts.keys()].filter((key) => !this.#asked.has(key));
    return names.map((key) => key.replace(/^docker\.io\/(?:library\/)?/, '').replace(/:latest$/, ''));
  }
}

/** Copies one platform of a layout's image into the store, verified. Throws IMAGE_NOT_FOUND, ARCHIVE_INVALID… */
export async function bringFromLayout(
  { store, report, signal }: Job,
  context: LayoutContext,
  platform: Platform,
): Promise<Descriptor> {
  const { copyGraph } = await import('../transfer/copy.ts'); // few builds have a layout
  const { OciLayout } = await import('../transfer/oci-layout.ts');
  const { narrow } = await import('../transfer/narrow.ts');
  const layout = await OciLayout.open(context.directory);
  const root = await layout.find(context);
  if (root === undefined) {
    const wanted = context.digest ?? context.tag ?? 'one image, or one with the tag latest';
    throw new ArchBuildError('IMAGE_NOT_FOUND', `${context.directory} does not have ${wanted}`, {
      hint: 'name the image as oci-layout://DIRECTORY:TAG or oci-layout://DIRECTORY@DIGEST',
    });
  }
  const set = { content: layout, images: [{ references: [], root }] };
  const wanted = { platforms: [platform], keepsIndex: true, reach: 'architecture', report } as const;
  const { select } = await narrow(set, wanted);
  const options = { report, signal, ...(select === undefined ? {} : { select }) };
  await copyGraph(root, { from: layout, to: storeSink(store) }, options);
  await store.images.put(root, []);
  return root;
}
