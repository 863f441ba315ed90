/** EXPOSE operands: `80`, `53/udp`, `7000-7002`, `8080:80` (the host's half is dropped). */
import { ArchBuildError } from '../errors.ts';

const PROTOCOLS = new Set(['tcp', 'udp', 'sctp']);
const MAX_PORT = 65535;

/** Keys of the config's ExposedPorts. Throws KUBEFILE_SEMANTICS. */
export function parseExpose(word: string): string[] {
  const [ports = '', protocol = 'tcp', ...rest] = word.split('/');
  const wanted = protocol.toLowerCase();
  const match = /^(?:.*:)?(\d+)(?:-(\d+))?$/.exec(ports);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  const valid =
    match !== null && rest.length === 0 && PROTOCOLS.has(wanted) && first <= last && last <= MAX_PORT;
  if (!valid) {
    throw new ArchBuildError('KUBEFILE_SEMANTICS', `not a port: ${JSON.stringify(word)}`, {
      hint: 'write a number from 0 to 65535, a range like 7000-7002, and /tcp, /udp or /sctp behind it',
    });
  }
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${wanted}`);
}
