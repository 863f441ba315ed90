/** Annotations of the entries of an index.json that name images. */

/** OCI's: a tag, or whatever a tool finds the image by. */
export const REF_NAME = 'org.opencontainers.image.ref.name';
/** containerd's: the full name. */
export const FULL_NAME = 'io.containerd.image.name';
