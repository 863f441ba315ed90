/** What is around us: containers, WSL, chroots, control groups, limits, the clock, the network. */
import { advice, asRoot, info, inShell, ok, writing, type Check, type Finding } from './check.ts';
import type { HostFacts } from '../facts/host-facts.ts';
import type { Limit } from '../facts/process-facts.ts';

export const SURROUNDING_CHECKS: readonly Check[] = [
  { id: 'container', title: 'container', run: container },
  { id: 'privileges', title: 'privileges', run: privileges },
  { id: 'control-group', title: 'control group', run: controlGroup },
  { id: 'address-space', title: 'address space of 32-bit programs', run: addressSpace },
  { id: 'limits', title: 'limits of processes and files', run: limits },
  { id: 'clock', title: 'clock', run: clock },
  { id: 'registry', title: 'registry', run: registries },
];

function container({ surroundings: { containerSigns, wsl, chroot } }: HostFacts): readonly Finding[] {
  const findings: Finding[] = [];
  if (containerSigns.length > 0)
    findings.push(...info(`we are in a container (${containerSigns.join(', ')}): its rules come on top`));
  if (wsl === 1) {
    const why = 'it has no Linux kernel: no overlay, no namespaces, no binfmt_misc';
    findings.push({
      state: 'fail',
      found: 'this is WSL 1',
      why,
      fix: advice('in Windows: wsl --set-version DISTRIBUTION 2'),
    });
  }
  if (wsl === 2) findings.push(...info('this is WSL 2: the entry WSLInterop is its own and is left alone'));
  if (chroot) {
    const why = 'the kernel makes no user namespaces in one, so steps use the table of the host';
    findings.push({ state: 'info', found: 'we are in a chroot', why });
  }
  return findings;
}

function privileges({
  process: { seccomp, noNewPrivileges },
  seLinuxEnforcing,
}: HostFacts): readonly Finding[] {
  const findings: Finding[] = [];
  if (noNewPrivileges) {
    const why = 'sudo, su and ping in steps stay without their powers, and newuidmap cannot map ids';
    const fix = advice(
      'start arch-build without no_new_privs (systemd: NoNewPrivileges=, docker: no-new-privileges)',
    );
    findings.push({ state: 'warn', found: 'no_new_privs is set for us', why, fix });
  }
  if (seccomp > 0)
    findings.push(...info('a seccomp filter is around us: what it forbids fails as "not permitted"'));
  if (seLinuxEnforcing) findings.push(...info('SELinux is enforcing: its refusals are in the audit log'));
  return findings.length > 0 ? findings : ok('no filter is around us');
}

const FEW_PROCESSES = 100;
const FEW_BYTES = 512 * 2 ** 20;

function controlGroup({ process: { groups } }: HostFacts): readonly Finding[] {
  const tight = groups.filter(
    ({ kind, limit, used }) => limit - used < (kind === 'pids' ? FEW_PROCESSES : FEW_BYTES),
  );
  if (tight.length === 0) {
    const told = groups.map(({ kind, limit }) => `${kind} ${limit}`).join(', ');
    return ok(told === '' ? 'no limits' : told);
  }
  return tight.map(({ kind, path, limit, used }): Finding => {
    const why =
      kind === 'pids'
        ? 'starting programs fails with "Resource temporarily unavailable"'
        : 'emulators, compilers and package managers are killed when it is used up';
    const fix = asRoot(
      [writing(path.endsWith('limit_in_bytes') ? '-1' : 'max', path)],
      'or what the service manager says',
    );
    return { state: 'warn', found: `${path}: ${limit}, ${used} used`, why, fix };
  });
}

const FOUR_GIB = 2 ** 32;
const USUAL_MINIMUM = 65_536;

function addressSpace({ process: { limits: all }, sysctls }: HostFacts): readonly Finding[] {
  const findings: Finding[] = [];
  const why = 'emulators of 32-bit machines reserve 4 GiB of addresses';
  const { soft } = all.addressSpace;
  if (soft !== undefined && soft < 2 * FOUR_GIB) {
    findings.push({
      state: 'warn',
      found: `limited to ${soft} bytes`,
      why,
      fix: raiseLimit('-v', all.addressSpace),
    });
  }
  if (sysctls.get('vm.overcommit_memory') === '2') {
    const fix = asRoot(
      [writing('0', '/proc/sys/vm/overcommit_memory')],
      'for the whole host, until it is rebooted',
    );
    findings.push({ state: 'warn', found: 'vm.overcommit_memory is 2', why, fix });
  }
  const lowest = Number(sysctls.get('vm.mmap_min_addr') ?? 0);
  if (lowest > USUAL_MINIMUM) {
    const fix = asRoot(
      [writing(String(USUAL_MINIMUM), '/proc/sys/vm/mmap_min_addr')],
      'for the whole host, until it is rebooted',
    );
    const low = 'programs linked at low addresses cannot be loaded';
    findings.push({ state: 'warn', found: `vm.mmap_min_addr is ${lowest}`, why: low, fix });
  }
  return findings.length > 0 ? findings : ok('not limited');
}

const ENOUGH_FILES = 1024;
const ENOUGH_PROCESSES = 256;

function limits({ process: { limits: all }, user }: HostFacts): readonly Finding[] {
  const findings: Finding[] = [];
  const { openFiles, processes, fileSize } = all;
  if (openFiles.soft !== undefined && openFiles.soft < ENOUGH_FILES) {
    const why = 'layers with many files, and programs in steps, fail with "Too many open files"';
    const found = `${openFiles.soft} open files`;
    findings.push({ state: 'warn', found, why, fix: raiseLimit('-n', openFiles, ENOUGH_FILES) });
  }
  if (user.uid !== 0 && processes.soft !== undefined && processes.soft < ENOUGH_PROCESSES) {
    const why =
      'all processes of the user count; starting more fails with "Resource temporarily unavailable"';
    findings.push({
      state: 'warn',
      found: `${processes.soft} processes`,
      why,
      fix: raiseLimit('-u', processes, 4096),
    });
  }
  if (fileSize.soft !== undefined) {
    const why = 'a larger file cannot be written: the program is killed by SIGXFSZ';
    findings.push({
      state: 'warn',
      found: `files of at most ${fileSize.soft} bytes`,
      why,
      fix: raiseLimit('-f', fileSize),
    });
  }
  return findings.length > 0 ? findings : ok('not tight');
}

function raiseLimit(option: string, { hard }: Limit, wanted?: number): ReturnType<typeof inShell> {
  const value = wanted === undefined ? 'unlimited' : String(wanted);
  const enough = hard === undefined || (wanted !== undefined && hard >= wanted);
  if (enough) return inShell(['ulimit', option, value]);
  return inShell(
    ['ulimit', option, value],
    `as root: the hard limit is ${hard}; for good: /etc/security/limits.conf, or LimitNOFILE= and its like in systemd`,
  );
}

const DAY_MS = 86_400_000;

function clock({ clock: { now, program } }: HostFacts): readonly Finding[] {
  const words = new Date(now).toISOString();
  if (now >= program - DAY_MS) return ok(words);
  const found = `${words}, though our own files are from ${new Date(program).toISOString()}`;
  const why = 'certificates and signatures seem not to be valid yet, and images get a wrong date';
  return [
    {
      state: 'warn',
      found,
      why,
      fix: asRoot([], 'set the clock: date -s "YYYY-MM-DD hh:mm", or start a time service'),
    },
  ];
}

/** Only those that were asked for. */
function registries({ registries: asked }: HostFacts): readonly Finding[] {
  return asked.map(({ host, reached, words, hint }): Finding => {
    if (reached === 'answer') return { state: 'ok', found: `${host}: ${words}` };
    return {
      state: 'fail',
      found: `${host}: ${words}`,
      why: `${STAGES[reached]}; images cannot be pulled or pushed`,
      fix: advice(hint),
    };
  });
}

const STAGES: Readonly<Record<string, string>> = {
  nothing: 'its name has no address here',
  address: 'no connection can be made',
  connection: 'there is a connection, but none that can be trusted',
  tls: 'it is reached, but does not answer as a registry does',
};
