/** The commands about this host: doctor, binfmt, emulators. */
import { Command } from 'commander';
import type {
  DoctorFlags,
  ExportFlags,
  FetchFlags,
  ListFlags,
  RegisterFlags,
  UnregisterFlags,
} from '../flags.ts';
import type { CommandContext } from '../globals.ts';
import { commaSeparated, emulatorOption, formatOption, jsonOption, repeatable } from '../options.ts';

export function hostCommands(context: CommandContext): Command[] {
  return [doctorCommand(context), binfmtCommand(context), emulatorsCommand(context)];
}

function doctorCommand({ globals, exitWith }: CommandContext): Command {
  return new Command('doctor')
    .description('can this host build for foreign platforms, and if not, why and what to do; exits 3 if not')
    .addOption(
      commaSeparated(
        '--platform <platform>',
        'os/arch[/variant] or a machine name you want to build for, repeatable',
      ),
    )
    .addOption(emulatorOption())
    .addOption(repeatable('--registry <host>', 'also whether this registry can be reached, repeatable'))
    .option(
      '--fix',
      'do what is safe to do about it: nothing that outlives a reboot or touches configuration',
    )
    .option('--report <file>', 'write everything the checks saw to a file for a bug report, without secrets')
    .addOption(jsonOption())
    .action(async (flags: DoctorFlags, command: Command) => {
      const version = command.parent?.version() ?? '';
      exitWith(await (await import('../actions/doctor.ts')).doctor(globals(), flags, version));
    });
}

function binfmtCommand(context: CommandContext): Command {
  const binfmt = new Command('binfmt').description(
    'the binfmt_misc table of this host: what it does, and entries that stay',
  );
  for (const command of [...tableCommands(context), ...entryCommands(context)]) binfmt.addCommand(command);
  return binfmt;
}

/** They look, and change nothing. */
function tableCommands({ globals, exitWith }: CommandContext): Command[] {
  const ls = new Command('ls')
    .description('list its entries in the order the kernel tries them')
    .addOption(formatOption())
    .addOption(jsonOption())
    .action(async (flags: ListFlags) => {
      await (await import('../actions/binfmt.ts')).list(globals(), flags);
    });
  const show = new Command('show')
    .description('everything about an entry, or about all entries that catch programs of a machine')
    .argument('<name|arch...>', 'names of entries, machines or platforms')
    .addOption(jsonOption())
    .action(async (names: readonly string[], flags: ListFlags) => {
      await (await import('../actions/binfmt.ts')).show(globals(), names, flags);
    });
  const check = new Command('check')
    .description('what the table does with programs of these machines; exits 3 when one of them cannot run')
    .argument('[arch...]', 'machines or platforms; all by default')
    .addOption(formatOption())
    .addOption(jsonOption())
    .action(async (archs: readonly string[], flags: ListFlags) => {
      exitWith(await (await import('../actions/binfmt.ts')).check(archs, flags));
    });
  return [ls, show, check];
}

function entryCommands({ globals, exitWith }: CommandContext): Command[] {
  const register = new Command('register')
    .description(
      'let the host itself run programs of these machines, until the next boot (builds do not need it)',
    )
    .argument('<arch...>', 'machines or platforms, or all that have an emulator here')
    .option('--flags <letters>', 'of P, O, C and F', 'POCF')
    .option('--emulator <path>', 'this emulator, or a directory of them')
    .option('--persist', 'also at every boot, with a file in /etc/binfmt.d')
    .option('--replace', 'replace an entry of arch-build that is different')
    .addOption(jsonOption())
    .action(async (archs: readonly string[], flags: RegisterFlags) => {
      exitWith(await (await import('../actions/binfmt-register.ts')).register(globals(), archs, flags));
    });
  const unregister = new Command('unregister')
    .description('remove what `register` made; entries of others are left alone')
    .argument('<arch...>', 'machines or platforms, or all')
    .addOption(jsonOption())
    .action(async (archs: readonly string[], flags: UnregisterFlags) => {
      exitWith(await (await import('../actions/binfmt-register.ts')).unregister(globals(), archs, flags));
    });
  return [register, unregister];
}

function emulatorsCommand({ globals }: CommandContext): Command {
  const emulators = new Command('emulators').description('the emulators (qemu programs) builds can use');
  emulators
    .command('ls')
    .description('list them in the order they are taken')
    .argument('[arch...]', 'machines or platforms; all by default')
    .addOption(formatOption())
    .addOption(jsonOption())
    .action(async (archs: readonly string[], flags: ListFlags) => {
      await (await import('../actions/emulators.ts')).list(globals(), archs, flags);
    });
  emulators
    .command('fetch')
    .description(
      'get them from the distribution’s package archive: pinned, verified, unpacked, not installed',
    )
    .argument('<arch...>', 'machines or platforms, or all')
    .option('--emulator-version <version>', 'one of the pinned versions; without it one good for the machine')
    .option('--toolbox', 'instead the toolboxes: the static busybox that lends a RUN its shell')
    .action(async (archs: readonly string[], flags: FetchFlags) => {
      await (await import('../actions/emulators.ts')).fetch(globals(), archs, flags);
    });
  emulators
    .command('import')
    .description(
      'take them from a file: an export, a static qemu program, a distribution’s package of them, or a static busybox (or busybox-static package) as toolbox',
    )
    .argument('<file...>')
    .action(async (files: readonly string[]) => {
      await (await import('../actions/emulators.ts')).importFiles(globals(), files);
    });
  emulators
    .command('export')
    .description('write them to one file, with a manifest of versions and digests, to import on another host')
    .argument('[arch...]', 'machines or platforms; all by default')
    .option('-o, --output <path>', 'the file; standard output without it')
    .option('--emulator-version <version>', 'this version; without it what a build would take')
    .action(async (archs: readonly string[], flags: ExportFlags) => {
      await (await import('../actions/emulators.ts')).exportBundle(globals(), archs, flags);
    });
  return emulators;
}
