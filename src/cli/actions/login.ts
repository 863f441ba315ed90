/** `login`, `logout`. */
import { readFileSync } from 'node:fs';
import { ArchBuildError } from '../../errors.ts';
import { login as logIn, logout as logOut } from '../../transfer/login.ts';
import type { LoginFlags } from '../transfer-flags.ts';
import { requireNetwork, type Globals } from '../globals.ts';
import { ask, canAsk } from '../prompt.ts';

/** A password on the command line would be seen by every user of the machine, so it is read or asked for. */
export async function login(globals: Globals, domain: string, flags: LoginFlags): Promise<void> {
  const { passwordStdin = false, insecure } = flags;
  if (passwordStdin ? flags.username === undefined : !canAsk()) {
    throw new ArchBuildError('USAGE', 'name and password are asked for on a terminal only', {
      hint: 'arch-build login -u NAME --password-stdin REGISTRY < password-file',
    });
  }
  requireNetwork(globals, `logging in to ${domain}`);
  const username = flags.username ?? (await ask({ text: 'User name: ' }, globals.signal));
  const password = passwordStdin
    ? readFileSync(0, 'utf8').replace(/\r?\n$/, '')
    : await ask({ text: `Password of ${username} at ${domain}: `, secret: true }, globals.signal);
  if (username === '' || password === '') throw new ArchBuildError('USAGE', 'name or password is empty');
  const place = await logIn({ domain, username, password }, { insecure, signal: globals.signal });
  process.stderr.write(`logged in to ${domain}; kept in ${place}\n`);
}

/** The globals have said in which file. */
export async function logout(_globals: Globals, domain: string): Promise<void> {
  if (await logOut(domain)) process.stderr.write(`logged out of ${domain}\n`);
  else process.stderr.write(`not logged in to ${domain}\n`);
}
