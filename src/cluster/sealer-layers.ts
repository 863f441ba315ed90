/** An image's history as sealer's list of layers, and platforms as sealer writes them. Pure. */
import type { Digest } from '../oci/digest.ts';
import type { HistoryEntry } from '../oci/image-config.ts';
import { normalizePlatform, type Platform } from '../oci/platform.ts';
import type { SealerLayer, SealerLayerType } from './sealer-image.ts';

/** What the layer of gathered container images says of itself. */
const ROOTFS_CACHE = 'rootfs cache';

/**
 * `ids` has one for each layer of the history, undefined for a layer without files: sealer has none of those.
 * A layer that nobody tells anything about is BASE.
 */
export function sealerLayers(
  history: readonly HistoryEntry[],
  ids: readonly (Digest | undefined)[],
): SealerLayer[] {
  const made = history.filter((entry) => entry.empty_layer !== true);
  return ids.flatMap((id, index) =>
    id === undefined ? [] : [{ id, ...instructionOf(made[index]?.created_by ?? '') }],
  );
}

const KEYWORDS: Readonly<Record<string, SealerLayerType>> = { COPY: 'COPY', ADD: 'COPY', RUN: 'RUN' };

/** What Docker writes in front of instructions that run nothing, and of those that run something. */
const NOT_RUN = /^\/bin\/sh -c #\(nop\)\s*/;
const RUN_BY_SHELL = /^(?:RUN )?\/bin\/sh -c /;

function instructionOf(createdBy: string): Omit<SealerLayer, 'id'> {
  const text = createdBy.replace(NOT_RUN, '').trim();
  if (RUN_BY_SHELL.test(text)) return { type: 'RUN', value: text.replace(RUN_BY_SHELL, '') };
  const [, keyword = '', rest = ''] = /^(\S+)\s+([^]*)$/.exec(text) ?? [];
  const type = KEYWORDS[keyword];
  return type === undefined
    ? { type: 'BASE', value: text === '' ? ROOTFS_CACHE : text }
    : { type, value: rest };
}

/** sealer names the variant of arm64. */
export function sealerPlatform(platform: Platform): Platform {
  const normal = normalizePlatform(platform);
  return normal.architecture === 'arm64' && normal.variant === undefined
    ? { ...normal, variant: 'v8' }
    : normal;
}
