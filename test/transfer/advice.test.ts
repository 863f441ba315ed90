/** What to do about a host that cannot be spoken to, for each that may be wanted of it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { downloadFile } from '../../src/transfer/download.ts';
import { networkError } from '../../src/transfer/registry-errors.ts';
import { openScratch } from '../support/scratch.ts';
import { FakeRegistry } from './fake-registry.ts';

it('does not recommend an option for registries where a file is downloaded', async () => {
  await using scratch = await openScratch('advice');
  const [keyFile, certFile] = [scratch.path('key.pem'), scratch.path('cert.pem')];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
  execFileSync('openssl', [...request, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' });
  const tls = { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  await using server = await FakeRegistry.start({ tls });
  const options = { signal: new AbortController().signal, report: () => undefined };
  await expect(downloadFile(`${server.origin}/file`, scratch.path('file'), options)).rejects.toMatchObject({
    code: 'NETWORK',
    message: expect.stringContaining('its certificate is not trusted') as string,
    hint: expect.not.stringContaining('--insecure') as string,
  });
});

it('knows both ways of an image that cannot go over the network', () => {
  const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
  expect(networkError('registry.test', refused)).toMatchObject({
    hint: expect.stringMatching(/`arch-build save` and `arch-build load`/) as string,
  });
});
