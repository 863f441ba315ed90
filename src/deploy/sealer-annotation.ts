/**
 * What an image that came from sealer v0.8 says besides its config, and no other document of ours has room for: an
 * annotation of its manifest, so that the image can be saved again as it was.
 */
import { SEALER_V08, type SealerImage } from '../cluster/sealer-image.ts';
import { readObject } from '../oci/json-shape.ts';
import { parseJson } from '../oci/json.ts';
import { limitOf } from '../oci/limits.ts';

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
  const at = `the annotation ${SEALER_ANNOTATION}`;
  const value = readObject(parseJson(Buffer.from(text), at, limitOf('manifest-bytes')), at);
  const pairs = readObject(value['arguments'] ?? {}, `${at}.arguments`);
  const words = (key: keyof SealerRemarks['arguments']): Record<string, string> =>
    Object.fromEntries(
      Object.entries(readObject(pairs[key] ?? {}, `${at}.arguments.${key}`)).map(([name, each]) => [
        name,
        String(each),
      ]),
    );
  const { parentCommands, version } = value;
  return {
    parentCommands: typeof parentCommands === 'number' ? parentCommands : 0,
    arguments: { parent: words('parent'), current: words('current') },
    isApplication: value['isApplication'] === true,
    version: typeof version === 'string' ? version : SEALER_V08,
  };
}
