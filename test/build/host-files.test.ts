import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hostFiles, STEP_HOSTNAME } from '../../src/build/host-files.ts';
import { isStubOfResolved, separateResolverFile } from '../../src/build/resolver-file.ts';
import { DEFAULT_SETTINGS } from '../../src/build/step-settings.ts';

const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');

describe('the name resolution of a step', () => {
  it.each(['host', 'none'] as const)('knows localhost and its own name with --network=%s', (network) => {
    const names = hostFiles(network)
      .hosts.split('\n')
      .flatMap((line) => line.split(/\s+/).slice(1));
    expect(names).toContain('localhost');
    expect(names).toContain(STEP_HOSTNAME);
  });

  it('is the host’s on the host’s network', () => {
    const files = hostFiles('host');
    expect(files['resolv.conf']).toBe(textOf('/etc/resolv.conf'));
    expect(files.hosts.endsWith(textOf('/etc/hosts'))).toBe(true);
  });

  it('says no name of the host without a network', () => {
    expect(hostFiles('none').hosts.trimEnd().split('\n')).toHaveLength(3);
    expect(hostFiles('none')['resolv.conf']).toMatch(/^nameserver /);
  });
});

/** As docker 26.1 writes it for `RUN --network=none`, measured. */
describe('the name servers of a step without a network', () => {
  const PUBLIC =
    'nameserver 8.8.8.8\nnameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\nnameserver 2001:4860:4860::8844\n';
  const none = DEFAULT_SETTINGS.dns;

  it.each<[string, string, typeof none, string]>([
    [
      'are the host’s without those of its loopback',
      'nameserver 127.0.0.53\nnameserver 10.1.2.3\nsearch example.test\noptions ndots:2\n# c\n',
      none,
      'nameserver 10.1.2.3\nsearch example.test\noptions ndots:2\n',
    ],
    [
      'are public ones where none is left',
      'nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch a b\n',
      none,
      `${PUBLIC}search a b\noptions edns0 trust-ad\n`,
    ],
    ['are public ones where the host has none', '', none, PUBLIC],
    ['are no ::1 either', 'nameserver ::1\n  nameserver\t10.0.0.1 \n', none, 'nameserver 10.0.0.1\n'],
    [
      'are those of the user',
      'nameserver 10.1.2.3\nsearch a\n',
      { servers: ['10.9.9.9'], search: ['b'], options: ['rotate'] },
      'nameserver 10.9.9.9\nsearch b\noptions rotate\n',
    ],
  ])('%s', (_what, ofHost, dns, expected) => {
    expect(separateResolverFile(ofHost, dns)).toBe(expected);
  });

  it.each([
    ['nameserver 127.0.0.53\noptions edns0\n', true],
    ['nameserver 127.0.0.53\nnameserver 10.0.0.1\n', false],
    ['nameserver 127.0.0.1\n', false],
    ['', false],
  ])('are asked of systemd-resolved where it stands for them: %j is %s', (text, expected) => {
    expect(isStubOfResolved(text)).toBe(expected);
  });
});
