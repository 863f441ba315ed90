/** The words in front of places, apart from what they stand for: most names have none, and need nothing of that loaded. */

const OURS = ['store:', 'docker://', 'oci:', 'oci-archive:', 'docker-archive:', 'dir:'] as const;

/** Of skopeo, and nothing we have: said by name, because `docker-daemon:app` would be a good image name. */
export const FOREIGN = /^(?:docker-daemon|containers-storage|ostree|atomic|tarball|sif):/;

/** Whether a word has a transport in front. */
export const namesTransport = (text: string): boolean =>
  OURS.some((prefix) => text.startsWith(prefix)) || FOREIGN.test(text);
