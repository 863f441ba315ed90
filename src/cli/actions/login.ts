/** `login`, `logout`. */
import { readFileSync } from 'node:fs';
import { ArchBuildError } from '../../errors.ts';
import { login as logIn, logout as logOut } from '../../transfer/login.ts';
import type { LoginFlags } from '../flags.ts';
import { requireNetwork, type Globals } from '../globals.ts';

/** A password on the command line would be seen by every user of the machine, so it is read. */
export async function login(globals: Globals, domain: string, flags: LoginFlags): Promise<void> {
  const { username = '', passwordStdin = false, insecure } = flags;
  if (!passwordStdin) {
    throw new ArchBuildError('USAGE', 'the password is read from standard input', {
      hint: 'arch-build login -u NAME --password-stdin REGISTRY < password-file',
    });
  }
  requireNetwork(globals, `logging in to ${domain}`);
  const password = readFileSync(0, 'utf8').replace(/\r?\n$/, '');
  const place = await logIn({ domain, username, password }, { insecure, signal: globals.signal });
  process.stderr.write(`logged in to ${domain}; kept in ${place}\n`);
}

export async function logout(domain: string): Promise<void> {
  if (await logOut(domain)) process.stderr.write(`logged out of ${domain}\n`);
  else process.stderr.write(`not logged in to ${domain}\n`);
}
