/** The commands for hosts without a network: package, kit. */
import { Command } from 'commander';
import type { KitFlags, PackageFlags } from '../flags.ts';
import type { CommandContext } from '../globals.ts';
import {
  buildArgFileOption,
  buildArgOption,
  buildContextOption,
  commaSeparated,
  dialectOption,
  fileOption,
  insecureOption,
  pullOption,
  repeatable,
} from '../options.ts';

export function kitCommands(context: CommandContext): Command[] {
  return [packageCommand(context), kitCommand(context)];
}

const emulatorsText = 'machines whose emulators go in, all or none';
const nodeText = 'the Node that goes in: an official build; the running one by default';
const outputText = 'the archive: .tar.xz, .tar.gz or .tar';

function packageCommand({ globals }: CommandContext): Command {
  return new Command('package')
    .description('write this program with all it needs to an archive, for hosts without Node or a network')
    .option('-o, --output <file>', outputText)
    .addOption(commaSeparated('--emulators <arch,…>', `${emulatorsText} (default: aarch64)`))
    .option('--node <path>', nodeText)
    .action(async (flags: PackageFlags) => {
      await (await import('../actions/kit.ts')).writeProgram(globals(), flags);
    });
}

function kitCommand({ globals }: CommandContext): Command {
  return new Command('kit')
    .description('write a package with everything one Kubefile needs, for a build without a network')
    .argument('[context]', 'the build context, which is not packed', '.')
    .requiredOption('-o, --output <file>', outputText)
    .addOption(fileOption())
    .addOption(commaSeparated('--emulate <arch,…>', 'machines or platforms that will be built for'))
    .addOption(commaSeparated('--platform <os/arch[/variant],…>', 'the same'))
    .addOption(commaSeparated('--emulators <arch,…>', `${emulatorsText} (default: what the platforms need)`))
    .addOption(repeatable('--image <ref>', 'a further image, repeatable; also those of manifests/imageList'))
    .addOption(dialectOption())
    .addOption(buildArgOption())
    .addOption(buildArgFileOption())
    .addOption(buildContextOption())
    .option('--target <stage>', 'what a build up to this stage needs')
    .addOption(pullOption())
    .addOption(insecureOption())
    .option('--node <path>', nodeText)
    .action(async (context: string, flags: KitFlags) => {
      await (await import('../actions/kit.ts')).writeKit(globals(), context, flags);
    });
}
