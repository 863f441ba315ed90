/** How a file is told from one that has taken its place: whoever changes it changes at least one of these. */
import { lstatSync } from 'node:fs';

export interface FileFacts {
  readonly inode: bigint;
  readonly sizeBytes: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** st_mode, with the type. */
  readonly mode: bigint;
  readonly links: bigint;
}

/** Of the file itself, as an overlay on the same file system shows it, too. Throws the system's error. */
export function factsOf(hostPath: string): FileFacts {
  const { ino, size, mtimeNs, ctimeNs, mode, nlink } = lstatSync(hostPath, { bigint: true });
  return { inode: ino, sizeBytes: size, mtimeNs, ctimeNs, mode, links: nlink };
}

/** The five numbers in the order in which the table has them. */
export const factNumbers = (facts: FileFacts): readonly bigint[] => [
  facts.inode,
  facts.sizeBytes,
  facts.mtimeNs,
  facts.ctimeNs,
  facts.mode,
];
