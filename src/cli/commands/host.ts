/** The commands about this host: doctor, binfmt, emulators. */
import { Command } from 'commander';
import type { DoctorFlags, FetchFlags, ListFlags } from '../flags.ts';
import type { CommandContext } from '../globals.ts';
import { commaSeparated, formatOption, jsonOption, repeatable } from '../options.ts';

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
    .option('--emulator <path>', 'this emulator, or a directory of them')
    .addOption(repeatable('--registry <host>', 'also whether this registry can be reached, repeatable'))
    .option(
      '--fix',
      'do what is safe: mounts, modules and limits until the next reboot, fetching emulators; no configuration',
    )
    .option('--report <file>', 'write everything the checks saw to a file for a bug report, without secrets')
    .addOption(jsonOption())
    .action(async (flags: DoctorFlags, command: Command) => {
      const version = command.parent?.version() ?? '';
      exitWith(await (await import('../actions/doctor.ts')).doctor(globals(), flags, version));
    });
}

function binfmtCommand({ exitWith }: CommandContext): Command {
  const binfmt = new Command('binfmt').description('the binfmt_misc table of this host');
  binfmt
    .command('ls')
    .description('list its entries in the order the kernel tries them')
    .addOption(formatOption())
    .addOption(jsonOption())
    .action(async (flags: ListFlags) => {
      (await import('../actions/binfmt.ts')).list(flags);
    });
  binfmt
    .command('check')
    .description('what the table does with programs of these machines; exits 3 when one of them cannot run')
    .argument('[arch...]', 'machines or platforms; all by default')
    .addOption(formatOption())
    .addOption(jsonOption())
    .action(async (archs: readonly string[], flags: ListFlags) => {
      exitWith(await (await import('../actions/binfmt.ts')).check(archs, flags));
    });
  return binfmt;
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
    .option('--emulator-version <version>', 'one of the pinned versions')
    .action(async (archs: readonly string[], flags: FetchFlags) => {
      await (await import('../actions/emulators.ts')).fetch(globals(), archs, flags);
    });
  emulators
    .command('import')
    .description('take a static qemu program, or a distribution’s package of them, from a file')
    .argument('<file...>')
    .action(async (files: readonly string[]) => {
      await (await import('../actions/emulators.ts')).importFiles(globals(), files);
    });
  return emulators;
}
