/** Control groups as the kernel has them: made with their limits, joined by nobody but the command, and gone. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { controllerAbilities } from '../../src/sys/cgroup/ability.ts';
import { readHierarchies } from '../../src/sys/cgroup/hierarchies.ts';
import { CONTROLLERS } from '../../src/sys/cgroup/limits.ts';
import { openGroup, type Group } from '../../src/sys/cgroup/group.ts';
import { describeWith } from '../support/requires.ts';

const newParent = (): string => `/arch-build-test-${randomBytes(4).toString('hex')}`;
const open = (parent: string): Promise<Group> =>
  openGroup({ parent: `${parent}/inner`, limits: { pids: 33, memoryBytes: 2 ** 26, cpus: '0' } });
const read = (group: Group, ...names: readonly string[]): string[] =>
  [...group.directories.values()].flatMap((directory) =>
    names
      .map((name) => join(directory, name))
      .filter((path) => existsSync(path))
      .map((path) => readFileSync(path, 'utf8').trim()),
  );

describeWith(['root', 'control-groups'], 'a control group', () => {
  it('has its limits and no process, and has had nothing to refuse', async () => {
    await using group = await open(newParent());
    expect(read(group, 'pids.max')).toEqual(['33']);
    expect(read(group, 'memory.max', 'memory.limit_in_bytes')).toEqual([String(2 ** 26)]);
    expect(read(group, 'cpuset.cpus')).toEqual(['0']);
    expect(new Set(read(group, 'cgroup.procs'))).toEqual(new Set(['']));
    expect(group.events()).toEqual({ killed: 0, refused: 0 });
  });

  it('of every controller can be had, as doctor finds out, which leaves none', async () => {
    const groupsOf = (): string[] =>
      readHierarchies().flatMap(({ directory, own }) =>
        readdirSync(join(directory, own)).filter((name) => name.startsWith(`arch-build-${process.pid}-`)),
      );
    const abilities = await controllerAbilities();
    expect(abilities.map(({ controller, works }) => [controller, works])).toEqual(
      CONTROLLERS.map((controller) => [controller, true]),
    );
    expect(groupsOf()).toEqual([]);
  });

  it('takes what it was made in with it, whichever of several is the last', async () => {
    const parent = newParent();
    const groups = await Promise.all(Array.from({ length: 5 }, () => open(parent)));
    const directories = groups.flatMap((group) => [...group.directories.values()]);
    expect(new Set(directories).size).toBe(directories.length);
    const [first, second, ...others] = groups;
    for (const group of [second, first, ...others.toReversed()]) await group?.[Symbol.asyncDispose]();
    for (const directory of directories) expect(existsSync(dirname(dirname(directory)))).toBe(false);
  });

  it('leaves a parent that was there, empty as it is', async () => {
    const parent = newParent();
    const before = await open(parent);
    const [place = ''] = [...before.directories.values()].map((directory) => dirname(dirname(directory)));
    await before[Symbol.asyncDispose]();
    mkdirSync(place);
    try {
      await (await open(parent))[Symbol.asyncDispose]();
      expect(readdirSync(place).includes('inner')).toBe(false);
    } finally {
      rmdirSync(place);
    }
  });

  it('waits for the last process to be gone', async () => {
    const group = await openGroup({ parent: newParent(), limits: { pids: 5 } });
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    for (const directory of group.directories.values()) {
      for (const name of ['cpuset.cpus', 'cpuset.mems']) {
        const path = join(directory, name);
        if (existsSync(path)) expect(readFileSync(path, 'utf8').trim()).not.toBe('');
      }
      writeFileSync(join(directory, 'cgroup.procs'), String(child.pid));
    }
    const closing = group[Symbol.asyncDispose]();
    await sleep(100);
    expect([...group.directories.values()].every((directory) => existsSync(directory))).toBe(true);
    child.kill('SIGKILL');
    await closing;
    expect([...group.directories.values()].filter((directory) => existsSync(directory))).toEqual([]);
  });

  it('that cannot have its limits is not there', async () => {
    const parent = newParent();
    await expect(openGroup({ parent, limits: { pids: 5, cpus: '4090' } })).rejects.toThrow(
      /cpuset\.cpus 4090 cannot be set/,
    );
    for (const top of ['/sys/fs/cgroup', '/sys/fs/cgroup/pids', '/sys/fs/cgroup/cpuset'])
      expect(existsSync(join(top, parent))).toBe(false);
  });
});
