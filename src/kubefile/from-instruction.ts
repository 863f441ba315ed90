/** FROM image [AS name]. */
import type { FlagValues } from './flags.ts';
import type { FromInstruction } from './instruction.ts';
import { statementError, type Statement } from './statement.ts';

/** Names are compared without case; a number would be a stage's index. */
const STAGE_NAME = /^[a-z][a-z0-9._-]*$/i;

export function readFrom(
  statement: Statement,
  flags: FlagValues,
): Pick<FromInstruction, 'image' | 'platform' | 'alias'> {
  const words = statement.arguments.form === 'words' ? statement.arguments.words : [];
  const [image, as, name] = words;
  const platform = flags.text('platform');
  const from = { image: image?.text ?? '', ...(platform === undefined ? {} : { platform }) };
  if (words.length === 1) return from;
  if (words.length !== 3 || as === undefined || name === undefined || as.text.toLowerCase() !== 'as') {
    const at = as?.offset ?? statement.command.keyword.offset;
    const message = 'FROM requires either one or three arguments';
    throw statementError(statement, at, { message, hint: 'Write FROM IMAGE or FROM IMAGE AS NAME' });
  }
  if (!STAGE_NAME.test(name.text)) {
    const message = `invalid stage name "${name.text}"`;
    const hint = 'Start it with a letter; letters, digits, dots, dashes and underscores may follow';
    throw statementError(statement, name.offset, { message, hint });
  }
  return { ...from, alias: name.text };
}
