/** `type=oci,dest=FILE`: the fields of one word of the command line, separated by commas; quotes keep a comma together. */
import { ArchBuildError } from '../errors.ts';

/** Throws USAGE, with the option's name, for a field without a name and for one that is there twice. */
export function fieldsOf(option: string, word: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const field of split(word)) {
    const equals = field.indexOf('=');
    const name = equals < 0 ? field : field.slice(0, equals);
    if (equals <= 0 || fields.has(name)) {
      const what = equals <= 0 ? `${JSON.stringify(field)} is no NAME=VALUE` : `${name} is there twice`;
      throw new ArchBuildError('USAGE', `invalid ${option} ${word}: ${what}`);
    }
    fields.set(name, field.slice(equals + 1));
  }
  return fields;
}

/** Quotes may stand around a whole field, as in CSV, or around its value. */
function split(word: string): string[] {
  const fields = word.match(/(?:"[^"]*"|[^",])+|(?<=^|,)(?=,|$)/g) ?? [''];
  return fields.map((field) => field.replaceAll('"', ''));
}

/** Throws USAGE unless it is a truth value as docker writes them. */
export function truthOf(option: string, name: string, value: string | undefined): boolean | undefined {
  if (value === undefined) return undefined;
  if (['true', '1'].includes(value)) return true;
  if (['false', '0'].includes(value)) return false;
  throw new ArchBuildError('USAGE', `invalid ${option}: ${name}=${value} is neither true nor false`);
}
