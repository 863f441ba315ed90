/**
 * `RUN --mount=type=ssh`: a socket of the step's own that leads to the agent of whoever builds. The agent's socket
 * itself would have an owner and a mode that the user of the step may not pass.
 */
import { chmodSync, chownSync } from 'node:fs';
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { ArchBuildError, systemErrorCode } from '../errors.ts';

export interface RelayOptions {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Listens at `path` until disposed. Throws IO when it cannot. */
export async function openSshRelay(
  agent: string,
  path: string,
  { mode, uid, gid }: RelayOptions,
): Promise<AsyncDisposable> {
  const open = new Set<Socket>();
  const server = createServer((step) => {
    const upstream = createConnection(agent);
    for (const [one, other] of [
      [step, upstream],
      [upstream, step],
    ] as const) {
      open.add(one);
      one.on('error', () => other.destroy()).on('close', () => open.delete(one));
      one.pipe(other);
    }
  });
  server.listen(path);
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new ArchBuildError('IO', `cannot listen at ${path}: ${systemErrorCode(cause) ?? String(cause)}`, {
      cause,
    });
  }
  chownSync(path, uid, gid);
  chmodSync(path, mode);
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}
