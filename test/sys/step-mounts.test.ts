/** The mounts a step asks for: their order, mount points inside one another, and what becomes read-only when. */
import { describe, expect, it } from 'vitest';
import { MS, type Operation } from '../../src/sys/plan.ts';
import { stepMounts, type StepMount } from '../../src/sys/step-mounts.ts';

const overlay = (directory: string, lowerCount: number): Operation => ({
  op: 'mount',
  source: 'overlay',
  target: `${directory}/merged`,
  type: 'overlay',
  flags: 0,
  data: `${lowerCount} layers`,
});
const planOf = (...mounts: StepMount[]): Operation[] => stepMounts(mounts, { overlay });
/** `name target` of each operation. */
const shortOf = (plan: readonly Operation[]): string[] =>
  plan.map((each) => {
    if (each.op === 'mount') return `mount ${each.type || 'bind'} ${each.target}`;
    return 'target' in each
      ? `${each.op} ${each.target}`
      : 'path' in each
        ? `${each.op} ${each.path}`
        : each.op;
  });

const bind = (target: string, readOnly = false): StepMount => ({
  type: 'bind',
  kind: 'directory',
  source: `/host${target}`,
  target,
  readOnly,
});

describe('mounts of a step', () => {
  it('are nothing where none is asked for', () => {
    expect(planOf()).toEqual([]);
  });

  it('come parents first, whatever their order, with mount points made before a parent is read-only', () => {
    expect(shortOf(planOf(bind('/a/b/c'), bind('/a', true), bind('/a/b')))).toEqual([
      'mount bind merged/a',
      'mountpoint merged/a/b',
      'restrict merged/a',
      'mount bind merged/a/b',
      'mountpoint merged/a/b/c',
      'mount bind merged/a/b/c',
    ]);
  });

  it('do not take a name for a directory above: /a is not above /ab', () => {
    expect(shortOf(planOf(bind('/a'), bind('/ab')))).toEqual(['mount bind merged/a', 'mount bind merged/ab']);
  });

  it('in /dev get their mount points there', () => {
    expect(shortOf(planOf(bind('/dev/mine')))).toEqual([
      'mountpoint merged/dev/mine',
      'mount bind merged/dev/mine',
    ]);
  });

  it('of layers are an overlay first', () => {
    const layers: StepMount = {
      type: 'layers',
      kind: 'file',
      directory: 'mount-0',
      lowerCount: 3,
      path: 'etc/passwd',
      target: '/p',
      readOnly: true,
    };
    const plan = planOf(layers);
    expect(shortOf(plan)).toEqual([
      'mount overlay mount-0/merged',
      'mount bind merged/p',
      'restrict merged/p',
    ]);
    expect(plan[1]).toMatchObject({ source: 'mount-0/merged/etc/passwd', flags: MS.BIND | MS.REC });
  });

  it('of content are written to memory, bound and read-only', () => {
    const secret: StepMount = {
      type: 'content',
      kind: 'file',
      target: '/run/secrets/s',
      mode: 0o400,
      uid: 0,
      gid: 0,
      content: Buffer.from('x'),
    };
    expect(shortOf(planOf(secret))).toEqual([
      'mount tmpfs content',
      'file content/0',
      'mount bind merged/run/secrets/s',
      'restrict merged/run/secrets/s',
    ]);
  });

  it('that begin with what is there are filled elsewhere before they hide it', () => {
    const tmpfs = { type: 'tmpfs', kind: 'directory', target: '/t', sizeBytes: 4096 } as const;
    expect(shortOf(planOf(tmpfs))).toEqual(['mount tmpfs merged/t']);
    const plan = planOf({ ...tmpfs, copyUp: true });
    expect(shortOf(plan)).toEqual([
      'mkdir copy-0',
      'mount tmpfs copy-0',
      'copy copy-0',
      'mount bind merged/t',
    ]);
    expect(plan[1]).toMatchObject({ data: 'mode=1777,size=4096' });
    expect(plan[2]).toMatchObject({ source: 'merged/t' });
  });

  it('are masked last, wherever the mask is, and get no mount point for it', () => {
    expect(
      shortOf(planOf({ type: 'mask', target: '/a' }, bind('/a/b'), { type: 'mask', target: '/a/b/c' })),
    ).toEqual(['mount bind merged/a/b', 'mask merged/a', 'mask merged/a/b/c']);
  });
});
