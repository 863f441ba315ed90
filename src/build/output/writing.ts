/** What the host refuses to who writes to a place of the user's, as an error about that place. */
import { ArchBuildError, systemErrorCode } from '../../errors.ts';

/** Throws IO for an error of a system call, and what else the work throws. */
export async function writing<T>(place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const isRefusal = !(cause instanceof ArchBuildError) && cause instanceof Error && 'syscall' in cause;
    if (!isRefusal) throw cause;
    throw new ArchBuildError('IO', `cannot write ${place}: ${systemErrorCode(cause) ?? cause.message}`, {
      cause,
    });
  }
}
