/** Answers to stdout, for programs. */

/** One JSON document, as every `--json` prints it. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
