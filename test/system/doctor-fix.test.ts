/** `doctor --fix` and `doctor --report` on broken hosts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { busyboxRootfs } from '../e2e/bases.ts';
import { describeWith } from '../support/requires.ts';
import { openBrokenHost, type Answer } from './broken-host.ts';

let busybox: string;
beforeAll(async () => {
  busybox = await busyboxRootfs();
});

describeWith(['root', 'private-binfmt', 'command:setpriv'], 'doctor --fix and --report', () => {
  it('does what is safe, says what is left, and tells how it is afterwards', async () => {
    await using host = await openBrokenHost(busybox);
    await host.shell(
      'echo 0 > /proc/sys/user/max_user_namespaces; echo 0 > /proc/sys/user/max_pid_namespaces',
    );
    const { status, stdout } = await host.shell(
      'ulimit -f 100000; arch-build doctor --platform arm64 --fix --json',
    );
    const { fixes, checks } = JSON.parse(stdout) as Answer;
    expect(fixes).toEqual([
      { id: 'user-namespace', state: 'done', what: 'echo 15000 > /proc/sys/user/max_user_namespaces' },
      { id: 'namespaces', state: 'done', what: 'echo 15000 > /proc/sys/user/max_pid_namespaces' },
      expect.objectContaining({ id: 'limits', state: 'needs you' }),
    ]);
    expect(status).toBe(0);
    expect(checks.find(({ id }) => id === 'user-namespace')?.state).toBe('ok');
  });

  it('does nothing as an ordinary user that only root can do', async () => {
    await using host = await openBrokenHost(busybox);
    await host.shell(
      'chmod 755 "$D"; chmod -R a+rX "$D/program" "$E"; echo 0 > /proc/sys/user/max_user_namespaces',
    );
    const words = 'setpriv --reuid=12345 --regid=12345 --clear-groups arch-build doctor --fix --json';
    const { fixes } = JSON.parse((await host.shell(words)).stdout) as Answer;
    expect(fixes).toContainEqual({
      id: 'user-namespace',
      state: 'needs you',
      what: 'as root: echo 15000 > /proc/sys/user/max_user_namespaces',
    });
  });

  it('writes a report without values of variables', async () => {
    await using host = await openBrokenHost(busybox);
    const { stderr } = await host.shell('A_SECRET=hunter2 arch-build doctor --report "$D/report.json"');
    expect(stderr).toContain('report.json is written');
    const text = readFileSync(join(host.directory, 'report.json'), 'utf8');
    expect(text).not.toContain('hunter2');
    const report = JSON.parse(text) as { environmentNames: string[]; report: Answer; mounts: unknown[] };
    expect(report.environmentNames).toContain('A_SECRET');
    expect(report.report.checks.length).toBeGreaterThan(20);
    expect(report.mounts).not.toEqual([]);
  });
});
