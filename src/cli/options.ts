/** Options and value parsers that several commands share. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { ACCELERATION_CHOICES, ISOLATION_CHOICES } from '../emulation/emulation-request.ts';

/** An option that may stand several times; its flag is the list of its values, empty without it. */
export const repeatable = (flags: string, text: string): Option =>
  list(flags, text, (value, before) => [...before, value]);

/** As `repeatable`, with several values in one word, separated by commas. */
export const commaSeparated = (flags: string, text: string): Option =>
  list(flags, text, (value, before) => [...before, ...value.split(',').filter((word) => word !== '')]);

/** Registries are asked over TLS, and servers have to prove who they are, unless they are named here. */
export const insecureOption = (): Option =>
  repeatable('--insecure <host>', 'registry without TLS, or server with any certificate, repeatable');

const list = (
  flags: string,
  text: string,
  add: (value: string, before: readonly string[]) => readonly string[],
): Option => new Option(flags, text).argParser(add).default([]);

export const choice = (flags: string, text: string, choices: readonly string[]): Option =>
  new Option(flags, text).choices(choices);
export const formatOption = (): Option =>
  choice('--format <format>', 'how to print', ['table', 'json']).default('table');
export const jsonOption = (): Option => new Option('--json', 'print one JSON document');
export const platformOption = (): Option =>
  new Option('--platform <os/arch[/variant]>', 'this platform only');

/** Several may be named; all there are by default. */
export const platformsOption = (): Option =>
  commaSeparated(
    '--platform <os/arch[/variant],…>',
    'these platforms only, repeatable (default: all there are)',
  );

/** How the layers of what is written are packed: the same for all commands that write images. */
export const compressionOption = (usual: string): Option =>
  choice('--compression <kind>', `pack every layer so (default: ${usual})`, ['gzip', 'zstd', 'none']);
export const compressionLevelOption = (): Option =>
  new Option('--compression-level <n>', 'gzip 1 to 9, zstd 1 to 19').argParser((text) => {
    if (!/^\d{1,2}$/.test(text)) throw new InvalidArgumentError('write a number.');
    return Number(text);
  });
export const mediaTypesOption = (): Option =>
  choice('--format <family>', 'media types of the documents (default: as they are)', ['oci', 'docker']);

/** Where images come from and how their foreign programs run: the same for `build` and `run`. */
export function withRunOptions(command: Command): Command {
  return accelerateOptions()
    .reduce((built, option) => built.addOption(option), command)
    .addOption(pullOption())
    .addOption(insecureOption())
    .addOption(choice('--isolation <rung>', 'how foreign programs run', ISOLATION_CHOICES).default('auto'))
    .addOption(emulatorOption())
    .addOption(
      repeatable('--emulator-cpu <model>', 'CPU model of the emulator; ARCH=MODEL is about one machine'),
    );
}

/** A value has to be attached: what follows `--accelerate` may be an operand. */
const accelerateOptions = (): readonly Option[] => [
  new Option(
    '--accelerate',
    'start programs that have a native twin as that one: where it can be done, or with =on else fail',
  ),
  ...ACCELERATION_CHOICES.map((accelerate) =>
    new Option(`--accelerate=${accelerate}`, 'the same, said as a word').implies({ accelerate }).hideHelp(),
  ),
];

/** The container images of a cluster image: the same for `build` and `gather`. */
export function withGatherOptions(command: Command): Command {
  return command
    .addOption(
      choice(
        '--gather <what>',
        'container images for cluster images: all that are named, those of lists, or none',
        ['auto', 'list', 'none'],
      ).default('auto'),
    )
    .addOption(repeatable('--image-list <file>', 'names of container images besides those found, repeatable'))
    .addOption(
      repeatable(
        '--image-list-with-auth <file>',
        'the same with passwords; also imageListWithAuth.yaml of the context',
      ),
    )
    .addOption(
      repeatable('--ignored-image-list <file>', 'names of container images to leave out, repeatable'),
    )
    .addOption(
      repeatable(
        '--image-source <ref|dir|archive>',
        'asked before registries: an OCI layout, an archive, a directory of them, an image of the store; repeatable',
      ),
    )
    .addOption(
      repeatable('--chart-values <[chart=]file>', 'values that charts are rendered with, repeatable'),
    )
    .option('--kube-version <version>', 'version of the cluster that charts are told')
    .option(
      '--image-lock <file>',
      'what each container image was: obeyed when it is there, written at the end',
    )
    .option('--locked', 'refuse container images that the lock does not have')
    .addOption(
      choice('--gather-names <how>', 'names in the registry: without or with the registry they come from', [
        'path',
        'full',
      ]).default('path'),
    );
}

/** The same for `build`, `run` and `doctor`. */
export const emulatorOption = (): Option =>
  repeatable(
    '--emulator <path|version>',
    'this emulator, a directory of them, or a version of those there are; ARCH=… is about one machine, repeatable',
  );

/** Which file is read, and as what: the same for `build` and `kit`. */
export const fileOption = (): Option =>
  repeatable(
    '-f, --file <path>',
    'Kubefile, Dockerfile or Containerfile; - is stdin; several are read as one',
  );
export const cppFlagOption = (): Option =>
  repeatable('--cpp-flag <flag>', 'for the C preprocessor, which files named *.in go through, repeatable');
export const dialectOption = (): Option =>
  choice('--dialect <name>', 'how to read the file', [
    'auto',
    'kubefile-v1',
    'kubefile-v2',
    'dockerfile',
  ]).default('auto');
export const buildArgOption = (): Option =>
  repeatable('--build-arg <k[=v]>', 'value of an ARG, repeatable; without =v from the environment');

export const buildArgFileOption = (): Option =>
  repeatable('--build-arg-file <path>', 'lines K=V, which --build-arg goes before, repeatable');

export const buildContextOption = (): Option =>
  repeatable(
    '--build-context <name=…>',
    'a directory, URL, git repository, docker-image://REF or oci-layout://DIR[:TAG|@DIGEST] in place of an image or a stage, repeatable',
  );
export const pullOption = (): Option =>
  choice('--pull <policy>', 'when to ask registries', ['always', 'missing', 'never']).default('missing');

export function parseCount(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('write a number.');
  return Number(text);
}

export function parseJobs(text: string): number {
  const jobs = Number(text);
  if (!/^\d{1,4}$/.test(text) || jobs < 1) throw new InvalidArgumentError('write a number from 1 on.');
  return jobs;
}

/** Milliseconds. */
export const AGES: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds of `1h30m`, `0.5s`, `7d`, `0`. */
export function parseAge(text: string): number {
  const parts = [...text.matchAll(/(\d{1,9}(?:\.\d{1,9})?)(ms|[smhd])/g)];
  if (text !== '0' && (text === '' || parts.map(([part]) => part).join('') !== text))
    throw new InvalidArgumentError('write a time such as 90s, 12h or 7d.');
  return parts.reduce((sum, [, amount, unit = '']) => sum + Number(amount) * (AGES[unit] ?? 0), 0);
}

/** Seconds since 1970, also from $SOURCE_DATE_EPOCH. */
export function parseEpoch(text: string): number {
  const seconds = Number(text);
  if (!/^\d+$/.test(text) || seconds > 253_402_300_799) {
    throw new InvalidArgumentError('write whole seconds since 1970-01-01, up to the year 9999.');
  }
  return seconds;
}

/** `500`, `20M`, `10G`, `1T`: bytes. */
export function parseSize(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,9})([KMGT]?)B?$/i.exec(text) ?? [];
  if (number === '') throw new InvalidArgumentError('write a number of bytes such as 500M or 10G.');
  return Number(number) * 1024 ** ' KMGT'.indexOf(unit === '' ? ' ' : unit.toUpperCase());
}
