/** `login` and `logout` as people use them: at a terminal, from a script, and with a real registry that wants a password. */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { DockerRegistry } from '../system/docker-registry.ts';
import { build } from './projects.ts';
import { openTerminal } from './terminal.ts';

const TOOLS = ['root', 'command:docker-registry', 'command:htpasswd'] as const;
const ERASE = '\u007f';
const INTERRUPT = '\u0003';

let cli: Cli;
let registry: DockerRegistry;
let authfile: string;

beforeAll(async () => {
  cli = await openCli();
  const htpasswd = await cli.scratch.write('htpasswd', await runTool('htpasswd', ['-Bbn', 'user', 'secret']));
  registry = await DockerRegistry.start(cli.scratch.path('registry'), { htpasswd });
  await build(cli, 'app', { kubefile: 'FROM scratch\nCOPY f /f\n', files: { f: 'f' } });
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await cli[Symbol.asyncDispose]();
});
let logins = 0;
beforeEach(() => {
  authfile = cli.scratch.path(`auth-${String(logins++)}.json`);
});

const stored = (): unknown => JSON.parse(readFileSync(authfile, 'utf8'));
const words = (...args: string[]): string[] => ['--authfile', authfile, ...args];
const push = (): Promise<{ status: number | null; stderr: string }> =>
  cli.call(words('push', 'app', `${registry.host}/app:1`));

describeWith(TOOLS, 'a login', () => {
  it('is asked for on a terminal, which does not show the password, and opens the registry', async () => {
    expect((await push()).status).toBe(1);
    await using terminal = openTerminal(cli, words('login', registry.host));
    await terminal.until('User name: ');
    await terminal.type(`usex${ERASE}r\r`, `Password of user at ${registry.host}: `);
    await terminal.type('secret\r', `logged in to ${registry.host}`);
    expect(await terminal.exited).toBe(0);
    expect(terminal.text()).not.toContain('secret');
    expect(stored()).toEqual({
      auths: { [registry.host]: { auth: Buffer.from('user:secret').toString('base64') } },
    });
    expect((await push()).status).toBe(0);
    expect(await cli.call(words('logout', registry.host))).toMatchObject({ status: 0 });
    expect((await push()).status).toBe(1);
  });

  it('that is interrupted stores nothing', async () => {
    await using terminal = openTerminal(cli, words('login', '-u', 'user', registry.host));
    await terminal.until('Password of user');
    await terminal.type(`sec${INTERRUPT}`, 'no answer was given');
    expect(await terminal.exited).toBe(130);
    expect(existsSync(authfile)).toBe(false);
  });

  it('with a wrong password is refused and stores nothing', async () => {
    await using terminal = openTerminal(cli, words('login', '-u', 'user', registry.host));
    await terminal.until('Password of user');
    await terminal.type('wrong\r', /error\[REGISTRY_AUTH\]/);
    expect(await terminal.exited).toBe(1);
    expect(existsSync(authfile)).toBe(false);
  });

  it('takes the password from stdin, for scripts', async () => {
    const args = words('login', '-u', 'user', '--password-stdin', registry.host);
    expect(await cli.call(args, { input: 'secret\n' })).toMatchObject({ status: 0, stdout: '' });
    expect((await push()).status).toBe(0);
  });

  it('without a terminal says how scripts do it', async () => {
    const { status, stderr } = await cli.call(words('login', registry.host));
    expect([status, stderr]).toEqual([2, expect.stringContaining('--password-stdin') as unknown]);
  });
});
