/** Several copies into one sink at once: what one of them is writing, the others wait for instead of fetching it too. */
import type { ContentSink } from '../../oci/content.ts';

export function sharedSink(sink: ContentSink): ContentSink {
  const writing = new Map<string, Promise<boolean>>();
  return {
    has: async (descriptor) => {
      const pending = writing.get(descriptor.digest);
      if (pending !== undefined && (await pending)) return true;
      return sink.has(descriptor);
    },
    write: async (descriptor, data) => {
      const pending = sink.write(descriptor, data);
      writing.set(
        descriptor.digest,
        pending.then(
          () => true,
          () => false,
        ),
      );
      await pending;
    },
  };
}
