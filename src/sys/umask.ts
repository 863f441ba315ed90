/** The umask of whoever started us is for the files that are theirs, not for those of images and steps. */

const EVERYBODY_READS = 0o022;

/** Until it is disposed, files have the modes that they are given, less write permission for others. Not for two at a time. */
export function openUmask(): Disposable {
  const users = process.umask(EVERYBODY_READS);
  return { [Symbol.dispose]: () => void process.umask(users) };
}
