/** A line the kernel does not take: the error number is kept, for whoever knows another way. */
import { ArchBuildError } from '../../errors.ts';
import type { Registration } from '../binfmt-entry.ts';

export class RegistrationRefusal extends ArchBuildError {
  /** `EINVAL` for a flag this kernel does not know: F before Linux 4.8. */
  readonly errno: string;
  readonly registration: Registration;

  constructor(registration: Registration, errno: string, cause?: unknown) {
    super('BINFMT', `cannot register ${registration.name}: ${meaningOf(registration, errno)}`, { cause });
    this.errno = errno;
    this.registration = registration;
  }
}

function meaningOf({ flags, interpreter }: Registration, errno: string): string {
  const unknownFlag = flags.includes('F') ? 'F needs Linux 4.8' : `the flags ${flags}`;
  const meanings: Readonly<Record<string, string>> = {
    EINVAL: `the kernel refuses the line (${unknownFlag})`,
    ENOENT: `${interpreter} does not exist`,
    EACCES: `${interpreter} is not executable or on a noexec mount, or the table is not ours to write`,
    EPERM: 'the table is not ours to write',
    EROFS: 'binfmt_misc is mounted read-only here',
    EEXIST: 'the name is taken',
  };
  return `${meanings[errno] ?? 'the kernel refuses the line'} (${errno})`;
}
