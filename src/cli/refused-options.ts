/** Options of other builders that a build here cannot keep: each is known, and says what to do instead. */
import { Option, type Command } from 'commander';
import { ArchBuildError } from '../errors.ts';

const SANDBOX =
  'every step has the same sandbox here; --cap-add, --cap-drop and --security-opt change what it may do';

const REFUSED: readonly (readonly [flags: string, hint: string])[] = [
  ['--userns <how>', SANDBOX],
  ['--allow <entitlement>', SANDBOX],
];

/** Adds them, unseen by `--help`. They throw USAGE. */
export function withRefusedOptions(command: Command): Command {
  for (const [flags, hint] of REFUSED) {
    const refuse = (): never => {
      throw new ArchBuildError('USAGE', `${flags.replace(/^-\w, | <.*/g, '')} cannot be kept here`, { hint });
    };
    command.addOption(
      new Option(flags, 'known, and refused with what to do instead').hideHelp().argParser(refuse),
    );
  }
  return command;
}
