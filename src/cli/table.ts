/** Rows to aligned columns, as every listing prints them. Pure. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) =>
    lines.reduce((width, line) => Math.max(width, line[column]?.length ?? 0), 0),
  );
  let text = '';
  for (const line of lines) {
    const padded = line.map((cell, column) => (column === 0 ? '' : '  ') + cell.padEnd(widths[column] ?? 0));
    text += `${padded.join('').trimEnd()}\n`;
  }
  return text;
}

/** `3 hours ago`, for people. */
export function formatAge(created: string | undefined, now: number): string {
  if (created === undefined) return '-';
  const seconds = Math.max(0, Math.round((now - Date.parse(created)) / 1000));
  const [unit, length] = AGES.find(([, each]) => seconds >= each) ?? ['second', 1];
  const count = Math.floor(seconds / length);
  return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
}

const AGES: readonly (readonly [string, number])[] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
];

export const shortDigest = (digest: string): string => digest.replace(/^sha256:/, '').slice(0, 12);
