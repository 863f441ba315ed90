/** Resource limits by name, see setrlimit(2). */

export interface Limit {
  readonly resource: number;
  readonly soft: bigint;
  readonly hard: bigint;
}

export const UNLIMITED = (1n << 64n) - 1n;

/** x86_64's numbers, under the names that docker uses. */
export const RESOURCES: Readonly<Record<string, number>> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
};
