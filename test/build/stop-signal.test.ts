import { describe, expect, it } from 'vitest';
import { parseStopSignal } from '../../src/build/stop-signal.ts';

describe('STOPSIGNAL', () => {
  it.each([
    'SIGTERM',
    'TERM',
    'sigquit',
    'kill',
    '9',
    '1',
    '64',
    'SIGRTMIN',
    'RTMAX',
    'SIGRTMIN+3',
    'sigrtmax-14',
    'SIGPOLL',
  ])('keeps %s as written', (text) => {
    expect(parseStopSignal(text)).toBe(text);
  });

  it.each([
    'SIGFOO',
    '',
    '0',
    '65',
    '-9',
    '9.0',
    ' 9',
    'SIG',
    'SIGSIGTERM',
    'RTMIN+',
    'RTMIN+999',
    'SIGRTMIN-1',
    'SIGRTMAX+1',
    'SIGRTMIN+31',
  ])('refuses %j', (text) => {
    expect(() => parseStopSignal(text)).toThrow(expect.objectContaining({ code: 'KUBEFILE_SEMANTICS' }));
  });
});
