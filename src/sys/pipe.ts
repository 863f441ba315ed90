/**
 * A pipe(2). What Node gives a child is a socket, and a socket cannot be opened by name: `> /dev/stderr`, which
 * many a Kubefile has, would fail.
 */
import { Socket } from 'node:net';
import { libc, systemError } from './libc.ts';

export interface Pipe {
  /** Ends when the last write end is closed. */
  readonly reader: Socket;
  /** For the child; the caller closes its own copy. */
  readonly writeEnd: number;
}

const O_CLOEXEC = 0o2000000;

export function openPipe(): Pipe {
  const ends = new Int32Array(2);
  if (libc().pipe2(ends, O_CLOEXEC) < 0) throw systemError('pipe2', '');
  const [readEnd = -1, writeEnd = -1] = ends;
  return { reader: new Socket({ fd: readEnd, readable: true, writable: false }), writeEnd };
}
