/** What to do about a host that cannot be spoken to, for each that may be wanted of it. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { downloadFile, type DownloadOptions } from '../../src/transfer/download.ts';
import { networkError } from '../../src/transfer/registry-errors.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { FakeRegistry } from './fake-registry.ts';

async function startServer(scratch: Scratch): Promise<{ server: FakeRegistry; certificate: string }> {
  const [keyFile, certificate] = [scratch.path('key.pem'), scratch.path('cert.pem')];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
  const address = ['-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', [...request, ...address, '-keyout', keyFile, '-out', certificate], {
    stdio: 'ignore',
  });
  const tls = { cert: readFileSync(certificate, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  const server = await FakeRegistry.start({ tls });
  server.behaviours.push((_request, response) => {
    response.end('content');
    return true;
  });
  return { server, certificate };
}

it('recommends for a file what helps: the authority in certs.d, or --insecure', async () => {
  await using scratch = await openScratch('advice');
  const { server, certificate } = await startServer(scratch);
  await using _server = server;
  const options = { signal: new AbortController().signal, report: () => undefined };
  const fetched = async (more: Partial<DownloadOptions>): Promise<string> => {
    await downloadFile(`${server.origin}/file`, scratch.path('file'), { ...options, ...more });
    return readFileSync(scratch.path('file'), 'utf8');
  };
  await expect(fetched({})).rejects.toMatchObject({
    code: 'NETWORK',
    message: expect.stringContaining('its certificate is not trusted') as string,
    hint: expect.stringMatching(/certs\.d\/HOST\/ca\.crt.*--insecure HOST/) as string,
  });
  expect(await fetched({ insecure: [server.host] })).toBe('content');
  await expect(fetched({ insecure: ['other.test'] })).rejects.toMatchObject({ code: 'NETWORK' });
  const directory = scratch.path('certs.d');
  mkdirSync(`${directory}/${server.host}`, { recursive: true });
  copyFileSync(certificate, `${directory}/${server.host}/ca.crt`);
  expect(await fetched({ certificateDirectories: [directory] })).toBe('content');
});

it('knows both ways of an image that cannot go over the network', () => {
  const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
  expect(networkError('registry.test', refused)).toMatchObject({
    hint: expect.stringMatching(/`arch-build save` and `arch-build load`/) as string,
  });
});
