/** Which machines' programs a binfmt entry catches, judged by the headers such programs have. Pure. */
import { ARCHITECTURES, hostArchitecture, type Architecture } from '../architecture.ts';
import { matchesEntry, type BinfmtEntry, type Registration } from '../binfmt-entry.ts';
import { elfHeader } from '../probe.ts';

/** Every kind of program a machine has: ET_EXEC and ET_DYN, with the OSABI 0 and 3 (static glibc). */
function headersOf(architecture: Architecture): Buffer[] {
  return ([2, 3] as const).flatMap((type) => [0, 3].map((osabi) => elfHeader(architecture, { type, osabi })));
}

let known:
  readonly { readonly architecture: Architecture; readonly headers: readonly Buffer[] }[] | undefined;

/** Of all machines, made when somebody looks at a table. */
const allHeaders = (): NonNullable<typeof known> =>
  (known ??= ARCHITECTURES.map((architecture) => ({ architecture, headers: headersOf(architecture) })));

/** The machines some of whose programs the entry matches, enabled or not. */
export function machinesOf(entry: Pick<BinfmtEntry, 'match'>): Architecture[] {
  return allHeaders()
    .filter(({ headers }) => headers.some((header) => matchesEntry(entry, header)))
    .map(({ architecture }) => architecture);
}

/** Such an entry breaks the host: each program of its own is handed to an emulator. */
export function catchesNative(
  entry: Pick<BinfmtEntry, 'match'>,
  host: Architecture = hostArchitecture(),
): boolean {
  return headersOf(host).some((header) => matchesEntry(entry, header));
}

/** What the line would match, once it is an entry. */
export function matchOf({ magic, mask }: Registration): Pick<BinfmtEntry, 'match'> {
  return {
    match: {
      kind: 'magic',
      offset: 0,
      magic: Buffer.from(magic, 'hex'),
      mask: Buffer.from(mask, 'hex'),
    },
  };
}

/** Two entries that match some program in common; the one tried later never gets it. */
export function overlap(first: BinfmtEntry, second: BinfmtEntry): boolean {
  return allHeaders().some(({ headers }) =>
    headers.some((header) => matchesEntry(first, header) && matchesEntry(second, header)),
  );
}
