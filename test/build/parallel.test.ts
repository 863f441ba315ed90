/** Who works when: slots, a common fate, and work that is wanted by several. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { SharedFate } from '../../src/build/shared-fate.ts';
import { SharedWork } from '../../src/build/shared-work.ts';
import { WorkSlots } from '../../src/build/work-slots.ts';

const never = new AbortController().signal;

/** Work that says when it begins and ends. */
function recorder(): { log: string[]; work: (name: string, ms?: number) => () => Promise<string> } {
  const log: string[] = [];
  const work =
    (name: string, ms = 1) =>
    async (): Promise<string> => {
      log.push(`+${name}`);
      await sleep(ms);
      log.push(`-${name}`);
      return name;
    };
  return { log, work };
}

describe('slots', () => {
  it('with one, keep the order of ranks, also of what an end makes possible', async () => {
    const slots = new WorkSlots(1);
    const { log, work } = recorder();
    const first = slots.use(0, work('a0'));
    const second = first.then(() => slots.use(1, work('a1')));
    const other = slots.use(2, work('b0'));
    await Promise.all([first, second, other]);
    expect(log).toEqual(['+a0', '-a0', '+a1', '-a1', '+b0', '-b0']);
  });

  it.each([2, 3])('with %i, have so many at work and no more', async (limit) => {
    const slots = new WorkSlots(limit);
    let [now, most] = [0, 0];
    const work = async (): Promise<void> => {
      most = Math.max(most, ++now);
      await sleep(2);
      now -= 1;
    };
    await Promise.all(Array.from({ length: 9 }, (_, rank) => slots.use(rank, work)));
    expect({ now, most }).toEqual({ now: 0, most: limit });
  });

  it('are lent while their owner waits, and come back', async () => {
    const slots = new WorkSlots(1);
    const { log, work } = recorder();
    const later = slots.use(1, work('later'));
    const waiting = slots.use(0, async () => {
      log.push('+waits');
      await slots.lend(0, later);
      log.push('-waits');
    });
    await Promise.all([waiting, later, slots.use(2, work('last'))]);
    expect(log).toEqual(['+waits', '+later', '-later', '-waits', '+last', '-last']);
  });

  it('are free again after a failure', async () => {
    const slots = new WorkSlots(1);
    await expect(slots.use(0, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    expect(await slots.use(0, () => Promise.resolve('next'))).toBe('next');
  });
});

describe('a shared fate', () => {
  it('gives results in order', async () => {
    const { work } = recorder();
    expect(await new SharedFate(never).all([work('slow', 5)(), work('fast')()])).toEqual(['slow', 'fast']);
  });

  it('stops the others at the first failure, waits for them, and throws it at every level', async () => {
    const fate = new SharedFate(never);
    let ended = false;
    const stopped = async (): Promise<void> => {
      while (!fate.signal.aborted) await sleep(1);
      ended = true;
      throw new Error('second');
    };
    const inner = fate.all([stopped()]);
    const outer = fate.all([inner, sleep(5).then(() => Promise.reject(new Error('first')))]);
    await expect(outer).rejects.toThrow('first');
    expect(ended).toBe(true);
    await expect(inner).rejects.toThrow('first');
  });

  it('is the outer signal’s, too', () => {
    const controller = new AbortController();
    const { signal } = new SharedFate(controller.signal);
    controller.abort();
    expect(signal.aborted).toBe(true);
  });
});

describe('shared work', () => {
  it('is done once, and everybody has the result or the failure', async () => {
    const work = new SharedWork<string, number>();
    let count = 0;
    const make = (): Promise<number> => Promise.resolve(++count);
    expect(work.get('a')).toBeUndefined();
    expect(await Promise.all([work.make('a', make), work.make('a', make), work.get('a')])).toEqual([1, 1, 1]);
    expect(await work.make('b', make)).toBe(2);
    const failure = work.make('c', () => Promise.reject(new Error('failed')));
    await expect(work.make('c', make)).rejects.toThrow('failed');
    await expect(failure).rejects.toThrow('failed');
  });
});
