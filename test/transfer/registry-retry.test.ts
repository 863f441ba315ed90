/** What is tried again, how often and when. */
import { afterEach, expect, it } from 'vitest';
import { ArchBuildError } from '../../src/errors.ts';
import { networkError, TransientError } from '../../src/transfer/registry-errors.ts';
import { retrying, setRetryPolicy } from '../../src/transfer/registry-retry.ts';

afterEach(() => setRetryPolicy({}));

const refused = (): Error =>
  networkError('host.test', Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })) as Error;
const busy = (): Error => new TransientError('REGISTRY', 'busy');

/** How often it was tried, and what was said of it. */
async function failing(error: () => Error): Promise<{ tries: number; said: string[]; last: unknown }> {
  const said: string[] = [];
  let tries = 0;
  const work = (): Promise<never> => {
    tries += 1;
    return Promise.reject(error());
  };
  const report = (event: { type: string; text?: string }): void => void said.push(event.text ?? '');
  const last: unknown = await retrying({ backoffMs: 1, report }, work).catch((reason: unknown) => reason);
  return { tries, said, last };
}

it('is what may pass by itself, four times more', async () => {
  const { tries, said, last } = await failing(busy);
  expect(tries).toBe(5);
  expect(said.map((text) => text.replace(/[\d.]+ ms$/, '… ms'))).toEqual(
    [1, 2, 3, 4].map((count) => `busy; try ${count} of 4 more in … ms`),
  );
  expect(last).toBeInstanceOf(ArchBuildError);
  expect(last).not.toBeInstanceOf(TransientError);
  expect((await failing(refused)).tries).toBe(1);
});

it('is as often and as late as is asked for', async () => {
  setRetryPolicy({ retries: 2, delayMs: 1.5 });
  expect((await failing(busy)).said).toEqual([
    'busy; try 1 of 2 more in 1.5 ms',
    'busy; try 2 of 2 more in 1.5 ms',
  ]);
  setRetryPolicy({ retries: 0 });
  expect((await failing(busy)).tries).toBe(1);
});

it('is a host that refuses, too, when somebody asks for it', async () => {
  setRetryPolicy({ retries: 3, delayMs: 0 });
  const { tries, last } = await failing(refused);
  expect([tries, last]).toEqual([4, expect.objectContaining({ code: 'NETWORK' })]);
  expect((await failing(() => new ArchBuildError('REGISTRY', 'no'))).tries).toBe(1);
});
