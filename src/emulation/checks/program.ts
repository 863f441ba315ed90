/** Ourselves: helper programs, and what our environment would do to emulators. */
import { advice, info, inShell, ok, type Check, type Finding } from './check.ts';
import type { HostFacts } from '../facts/host-facts.ts';

export const PROGRAM_CHECKS: readonly Check[] = [
  { id: 'sandbox-helper', title: 'sandbox helper', run: helper },
  { id: 'temporary', title: 'temporary directory', run: temporary },
  { id: 'fetch-tools', title: 'tools that fetch emulators', run: fetchTools },
  { id: 'emulator-variables', title: 'variables that steer emulators', run: variables },
];

function helper({ sandboxHelper }: HostFacts): readonly Finding[] {
  if (sandboxHelper !== undefined) return ok(sandboxHelper);
  const fix = advice(
    'install a C compiler with static libc and run npm run build, or use the packed release',
  );
  return [{ state: 'fail', found: 'not built', why: 'it starts every step', fix }];
}

function temporary({ temporary: { directory, fault } }: HostFacts): readonly Finding[] {
  if (fault === undefined) return ok(directory);
  const why = 'programs are tried there, and tools that fetch emulators work there';
  return [
    {
      state: 'warn',
      found: `${directory} ${fault}`,
      why,
      fix: inShell(['export', 'TMPDIR=/var/tmp'], 'or any directory of yours'),
    },
  ];
}

function fetchTools({ tools }: HostFacts): readonly Finding[] {
  const missing = ['apt-get', 'dpkg-deb', 'tar'].filter((tool) => !tools.has(tool));
  if (missing.length === 0) return ok('apt-get, dpkg-deb, tar');
  return info(`no ${missing.join(', ')}: emulators come by arch-build emulators import FILE`);
}

function variables({ emulatorVariables }: HostFacts): readonly Finding[] {
  if (emulatorVariables.length === 0) return ok('none');
  const found = `${emulatorVariables.join(', ')} in our own environment`;
  const why = 'they are not passed on to steps';
  return [{ state: 'info', found, why, fix: inShell(['unset', ...emulatorVariables]) }];
}
