import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hostFiles, STEP_HOSTNAME } from '../../src/build/host-files.ts';

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

  it('says nothing of the host without a network', () => {
    expect(hostFiles('none')['resolv.conf']).toBe('');
    expect(hostFiles('none').hosts.trimEnd().split('\n')).toHaveLength(3);
  });
});
