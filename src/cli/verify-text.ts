/** What `verify` found, as text. Pure. */
import type { Finding } from '../oci/verify.ts';
import { formatTable } from './table.ts';

export interface Verified {
  readonly name: string;
  /** Null for the archive or layout around the images. */
  readonly digest: string | null;
  readonly findings: readonly Finding[];
}

export const verifiedText = (results: readonly Verified[]): string => results.map(resultText).join('');

function resultText({ name, digest, findings }: Verified): string {
  const shown = digest === null || name === digest ? name : `${name} ${digest}`;
  const foreign = findings.filter(({ code }) => code === FOREIGN);
  const lines = findings
    .filter(({ code }) => code !== FOREIGN)
    .map(({ code, severity, where, message }) => `  ${severity}: ${code} ${where}: ${message}\n`);
  return `${shown} ${verdict(findings)}\n${lines.join('')}${foreignTable(foreign)}`;
}

function verdict(findings: readonly Finding[]): string {
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const counts = [count(errors, 'error'), count(findings.length - errors, 'warning')].filter(
    (text) => text !== '',
  );
  return counts.length === 0 ? 'ok' : counts.join(', ');
}

const count = (number: number, noun: string): string =>
  number === 0 ? '' : `${number} ${noun}${number === 1 ? '' : 's'}`;

const FOREIGN = 'elf-architecture';
/** Enough to see which package or COPY it was. */
const MOST_ROWS = 20;

function foreignTable(findings: readonly Finding[]): string {
  if (findings.length === 0) return '';
  const rows = findings
    .slice(0, MOST_ROWS)
    .map(({ severity, path = '', found = '', expected = '', digest = '' }) => [
      severity,
      path,
      found,
      expected,
      digest.slice(0, 19),
    ]);
  const rest = findings.length - rows.length;
  const table = formatTable(['', 'FOREIGN PROGRAM', 'IS FOR', 'IMAGE FOR', 'LAYER'], rows);
  const more = rest > 0 ? `and ${rest} more: --json shows all\n` : '';
  return `${table}${more}`.replace(/^/gm, '  ').replace(/ {2}$/, '');
}
