/**
 * What an image that came from sealer v0.8 says besides its config, and no other document of ours has room for: an
 * annotation of its manifest, so that the image can be saved again as it was.
 */
import { ArchBuildError } from '../errors.ts';
import { SEALER_V08, type SealerImage } from '../cluster/sealer-image.ts';

/** Of the manifest. */
export const SEALER_ANNOTATION = 'dev.arch-build.sealer';

export interface SealerRemarks {
  /** How many of the commands are the base images'. */
  readonly parentCommands: number;
  readonly arguments: SealerImage['arguments'];
  readonly isApplication: boolean;
  readonly version: string;
}

export const NO_REMARKS: SealerRemarks = {
  parentCommands: 0,
  arguments: { parent: {}, current: {} },
  isApplication: false,
  version: SEALER_V08,
};

/** Undefined when there is nothing to remark. */
export function formatRemarks(image: SealerImage): string | undefined {
  const text = JSON.stringify({
    parentCommands: image.commands.parent.length,
    arguments: image.arguments,
    isApplication: image.isApplication,
    version: image.version,
  } satisfies SealerRemarks);
  return text === JSON.stringify(NO_REMARKS) ? undefined : text;
}

/** Throws DOCUMENT_INVALID. */
export function parseRemarks(text: string): SealerRemarks {
  const value = fields(parseJson(text));
  const pairs = fields(value['arguments'] ?? {});
  const { parentCommands, version } = value;
  return {
    parentCommands: typeof parentCommands === 'number' ? parentCommands : 0,
    arguments: { parent: words(pairs['parent']), current: words(pairs['current']) },
    isApplication: value['isApplication'] === true,
    version: typeof version === 'string' ? version : SEALER_V08,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(cause);
  }
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>;
  throw invalid();
}

const words = (value: unknown): Record<string, string> =>
  Object.fromEntries(Object.entries(fields(value ?? {})).map(([key, each]) => [key, String(each)]));

const invalid = (cause?: unknown): ArchBuildError =>
  new ArchBuildError(
    'DOCUMENT_INVALID',
    `the annotation ${SEALER_ANNOTATION} is not what arch-build writes`,
    {
      cause,
    },
  );
