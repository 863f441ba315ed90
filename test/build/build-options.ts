/** The options of a build as the command line leaves them when nothing is said. */
import { DEFAULT_SETTINGS } from '../../src/build/step-settings.ts';
import type { BuildOptions } from '../../src/build/options.ts';
import { parsePlatform } from '../../src/oci/platform.ts';

export const buildOptions = (text: string): Omit<BuildOptions, 'context'> => ({
  ...DEFAULT_OPTIONS,
  file: { path: 'Dockerfile', text },
});

export const DEFAULT_OPTIONS: Omit<BuildOptions, 'context' | 'file'> = {
  offline: false,
  tags: [],
  platforms: [parsePlatform('linux/amd64')],
  emulate: [],
  dialect: 'dockerfile',
  buildArgs: {},
  environment: {},
  steps: DEFAULT_SETTINGS,
  unset: { environment: [], labels: [] },
  buildContexts: new Map(),
  labels: {},
  annotations: {},
  indexAnnotations: {},
  outputs: [],
  target: undefined,
  network: 'host',
  noCache: false,
  cacheFrom: [],
  cacheTo: [],
  jobs: 4,
  pull: 'never',
  isolation: 'auto',
  accelerate: 'off',
  emulator: [],
  emulatorCpu: [],
  emulatorRetry: false,
  sourceDateEpoch: undefined,
  secrets: new Map(),
  sshAgents: new Map(),
  insecure: [],
};
