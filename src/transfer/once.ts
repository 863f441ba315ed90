/** Bytes that are at hand, where a stream of chunks is asked for. */
// eslint-disable-next-line @typescript-eslint/require-await -- sources are asynchronous, these bytes are not
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
