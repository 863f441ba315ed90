/** The command of RUN, CMD, ENTRYPOINT and HEALTHCHECK. */
import type { Arguments } from './arguments.ts';
import type { Command } from './instruction.ts';

/** JSON form, or the text for a shell, which may be empty. */
export function readCommand(cut: Arguments): Command {
  if (cut.form === 'json') return { form: 'exec', words: cut.words.map(({ text }) => text) };
  return { form: 'shell', text: cut.form === 'text' ? cut.text.text : '' };
}

export const isEmptyCommand = (command: Command): boolean =>
  command.form === 'shell' ? command.text === '' : command.words.length === 0;
