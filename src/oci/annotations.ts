/** Annotations of the entries of indexes. */

/** OCI's: a tag, or whatever a tool finds the image by. */
export const REF_NAME = 'org.opencontainers.image.ref.name';
/** containerd's: the full name. */
export const FULL_NAME = 'io.containerd.image.name';
/** `true`: the layers are packed with zstd, and an entry without it is the same image for whoever does not know that. */
export const ZSTD_LAYERS = 'io.github.containers.compression.zstd';
