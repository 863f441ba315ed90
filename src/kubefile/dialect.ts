/** The three dialects as data, and how one is chosen. */
import { basename } from 'node:path/posix';
import type { ClusterInstruction, Dialect, Keyword } from './instruction.ts';

const V1: readonly Keyword[] = ['FROM', 'COPY', 'RUN', 'CMD', 'ARG'];
const DOCKERFILE: readonly Keyword[] = [
  ...V1,
  ...(['ADD', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'HEALTHCHECK', 'LABEL', 'MAINTAINER', 'ONBUILD'] as const),
  ...(['SHELL', 'STOPSIGNAL', 'USER', 'VOLUME', 'WORKDIR'] as const),
];

/** Instructions that only kubefile/v2 has. */
export const CLUSTER_KEYWORDS: readonly ClusterInstruction['keyword'][] = [
  'APP',
  'APPCMDS',
  'APPENV',
  'CMDS',
  'CNI',
  'CSI',
  'KUBEVERSION',
  'LAUNCH',
];

export interface DialectRules {
  /** As a user writes it in `# syntax=`. */
  readonly syntax: string;
  readonly keywords: readonly Keyword[];
  /** ARG and CMD before FROM, a comma between ARGs, one FROM, no flags. */
  readonly classic: boolean;
}

export const DIALECTS: Record<Dialect, DialectRules> = {
  dockerfile: { syntax: 'dockerfile', keywords: DOCKERFILE, classic: false },
  'kubefile-v1': { syntax: 'kubefile/v1', keywords: V1, classic: true },
  'kubefile-v2': { syntax: 'kubefile/v2', keywords: [...DOCKERFILE, ...CLUSTER_KEYWORDS], classic: false },
};

/** What has to be known of an instruction to tell the dialects apart. */
export interface Usage {
  /** Upper case. */
  readonly keyword: string;
  readonly hasFlags: boolean;
  readonly hasHeredocs: boolean;
  readonly words: number;
}

/** `# syntax=`: any name that is not one of ours is some Dockerfile frontend's. */
export function syntaxDialect(syntax: string): Dialect {
  const [name = ''] = syntax.split(/\s/);
  return name === 'kubefile/v1' ? 'kubefile-v1' : name === 'kubefile/v2' ? 'kubefile-v2' : 'dockerfile';
}

/** The dialect of a file without `# syntax=`: its name decides, then whether kubefile/v1 could have read it. */
export function detectDialect(file: string, usages: readonly Usage[]): Dialect {
  if (/^(?:dockerfile|containerfile)|\.dockerfile$/i.test(basename(file))) return 'dockerfile';
  const stages = usages.filter(({ keyword }) => keyword === 'FROM').length;
  return stages <= 1 && usages.every(isClassic) ? 'kubefile-v1' : 'kubefile-v2';
}

function isClassic({ keyword, hasFlags, hasHeredocs, words }: Usage): boolean {
  if (hasFlags || hasHeredocs || !V1.some((known) => known === keyword)) return false;
  return keyword !== 'FROM' || words === 1;
}
