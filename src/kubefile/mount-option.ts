/** `--mount=type=bind,from=x,"target=/a,b"`: comma-separated options, each of which may be quoted as CSV does. */

/** The value of an option, unexpanded; undefined when it is not there. The last one wins. */
export function mountOption(mount: string, name: string): string | undefined {
  return mountOptions(mount).findLast((option) => option.name === name)?.value;
}

export interface MountOption {
  /** Lower case. */
  readonly name: string;
  /** Undefined for a bare name (`readonly`). */
  readonly value: string | undefined;
}

export function mountOptions(mount: string): MountOption[] {
  return splitCsv(mount).map((field) => {
    const equals = field.indexOf('=');
    const name = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    return { name, value: equals < 0 ? undefined : field.slice(equals + 1) };
  });
}

/** A field that starts with a quote ends with one; a doubled quote inside is one quote. */
function splitCsv(text: string): string[] {
  return Array.from(text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g), ([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'),
  );
}
