/** The rules of an image config: alone, against its manifest, and against the index's platform. */
import type { ImageConfig } from './image-config.ts';
import type { Manifest } from './manifest.ts';
import { formatPlatform, type Platform } from './platform.ts';
import type { Rule } from './verify-rules.ts';

export interface ConfigFacts {
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  /** The platform the index gives for the manifest; undefined when the manifest is not in an index. */
  readonly platform?: Platform | undefined;
}

export const CONFIG_RULES: readonly Rule<ConfigFacts>[] = [
  {
    id: 'config-platform',
    explain:
      'The index chooses by its own platform fields, the runtime looks at the config: they must agree.',
    check: ({ config, platform }) => configPlatformBreaches(config, platform),
  },
  {
    id: 'config-layer-count',
    explain: 'Every layer of the manifest has its diffID in the config, in the same order.',
    check: ({ manifest, config }) => {
      const [layers, diffIds] = [manifest.layers.length, config.rootfs.diff_ids.length];
      return layers === diffIds ? [] : [`${layers} layers but ${diffIds} diff_ids`];
    },
  },
  {
    id: 'config-history-count',
    explain: 'Tools attribute layers to history entries by counting those that are not empty_layer.',
    check: ({ config }) => {
      const history = config.history ?? [];
      const filled = history.filter((entry) => entry.empty_layer !== true).length;
      const diffIds = config.rootfs.diff_ids.length;
      return history.length === 0 || filled === diffIds
        ? []
        : [`${filled} history entries with a layer but ${diffIds} diff_ids`];
    },
  },
  {
    id: 'config-env',
    explain: 'Runtimes ignore or refuse environment entries that are not NAME=value.',
    check: ({ config }) =>
      (config.config?.Env ?? [])
        .filter((entry) => entry.indexOf('=') < 1 || entry.includes('\0'))
        .map((entry) => `not NAME=value: ${JSON.stringify(entry.slice(0, 80))}`),
  },
  {
    id: 'config-ports',
    explain: 'Runtimes refuse to start a container with a port that is none.',
    check: ({ config }) => breaches(Object.keys(config.config?.ExposedPorts ?? {}), isPort, 'not a port'),
  },
  {
    id: 'config-paths',
    explain: 'A relative working directory or volume is a different one for each runtime.',
    severity: 'warning',
    check: ({ config }) => {
      const { WorkingDir = '', Volumes = {} } = config.config ?? {};
      const paths = [...(WorkingDir === '' ? [] : [WorkingDir]), ...Object.keys(Volumes)];
      return breaches(paths, (path) => path.startsWith('/'), 'not an absolute path');
    },
  },
];

function configPlatformBreaches(config: ImageConfig, platform: Platform | undefined): string[] {
  if (config.os === '' || config.architecture === '') return ['an empty os or architecture'];
  if (platform === undefined) return [];
  const found = platformName(config);
  const wanted = platformName(platform);
  return found === wanted ? [] : [`the config is for ${found} but the index says ${wanted}`];
}

/** Os version and features are left to the index, which often has more of them. */
function platformName({ os, architecture, variant }: Platform): string {
  return formatPlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) });
}

/** `80`, `80/tcp`, `8000-8010/udp`. */
function isPort(text: string): boolean {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(?:tcp|udp|sctp))?$/.exec(text);
  if (match === null) return false;
  const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
  return first <= last && last <= 65_535;
}

const breaches = (texts: readonly string[], isGood: (text: string) => boolean, problem: string): string[] =>
  texts.filter((text) => !isGood(text)).map((text) => `${problem}: ${JSON.stringify(text.slice(0, 80))}`);
