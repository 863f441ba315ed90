/**
 * Text of strangers (steps, Kubefiles) made fit for the reader's terminal: colours and tabs stay, whatever could move
 * the cursor, set a title, or start a sequence that what follows would finish, goes. Source: ECMA-48 5.2–5.6.
 */

/** Strings up to their terminator (OSC, DCS, SOS, PM, APC), CSI sequences, other escapes, then lone controls. */
const SEQUENCE =
  /(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u009c|\u001b\\)?|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|\u001b[ -/]*[0-~]?|[\u0000-\u0008\u000a-\u001a\u001c-\u001f\u007f-\u009f]/g;
const COLOUR = /^\u001b\[[\d;:]*m$/;
const RESET = '\u001b[0m';

/** One line: line endings go too. A line with colours ends with a reset, so that they end with it. */
export function terminalText(line: string): string {
  const text = line.replace(SEQUENCE, (sequence) => (COLOUR.test(sequence) ? sequence : ''));
  return text.includes('\u001b') ? text + RESET : text;
}
