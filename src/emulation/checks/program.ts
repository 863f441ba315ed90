/** Ourselves: helper programs, and what our environment would do to emulators. */
import { info, ok, type Check, type Finding } from './check.ts';
import type { HostFacts } from '../facts/host-facts.ts';

export const PROGRAM_CHECKS: readonly Check[] = [
  {
    id: 'sandbox-helper',
    title: 'sandbox helper',
    run: ({ sandboxHelper }) =>
      sandboxHelper === undefined
        ? [
            {
              state: 'fail',
              found: 'not built',
              why: 'it starts every step',
              fix: 'install a C compiler with static libc and run npm run build, or use the packed release',
            },
          ]
        : ok(sandboxHelper),
  },
  {
    id: 'fetch-tools',
    title: 'tools that fetch emulators',
    run: ({ tools }) => {
      const missing = ['apt-get', 'dpkg-deb', 'tar'].filter((tool) => !tools.has(tool));
      return missing.length === 0
        ? ok('apt-get, dpkg-deb, tar')
        : info(`no ${missing.join(', ')}: emulators come by arch-build emulators import FILE`);
    },
  },
  { id: 'emulator-variables', title: 'variables that steer emulators', run: variables },
];

function variables({ emulatorVariables }: HostFacts): readonly Finding[] {
  if (emulatorVariables.length === 0) return ok('none');
  return [
    {
      state: 'info',
      found: `${emulatorVariables.join(', ')} in our own environment`,
      why: 'they are not passed on to steps',
    },
  ];
}
