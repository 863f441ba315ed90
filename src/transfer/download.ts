/**
 * One file over HTTP(S), as ADD fetches it. Servers are believed as registries are: by the host's authorities, by those
 * of certs.d, or unseen when they are listed as insecure. Plain HTTP is what the user wrote; a redirect never leads away
 * from TLS.
 */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ArchBuildError } from '../errors.ts';
import type { Reporter } from '../events.ts';
import { Connections, header, type HttpResponse } from './connections.ts';
import { FILE_ADVICE, TransientError } from './registry-errors.ts';
import type { RegistryOptions } from './registry-options.ts';
import { retrying } from './registry-retry.ts';
import { bodyChunks } from './response-body.ts';

export interface DownloadOptions extends Pick<RegistryOptions, 'insecure' | 'certificateDirectories'> {
  readonly signal: AbortSignal;
  readonly report: Reporter;
}

export interface Downloaded {
  readonly lastModified: Date | undefined;
}

const REDIRECT_LIMIT = 10;
const LARGEST = 64 * 2 ** 30;
const STALL_MS = 60_000;

/** Writes the file to `path`. Throws NETWORK when the server cannot be reached or does not have it. */
export async function downloadFile(url: string, path: string, options: DownloadOptions): Promise<Downloaded> {
  options.report({ type: 'info', text: `downloading ${url}` });
  await using connections = new Connections(options, FILE_ADVICE);
  return await retrying(options, async () => {
    const response = await follow(connections, new URL(url));
    const limits = { host: response.url.host, limit: LARGEST, stallMs: STALL_MS, advice: FILE_ADVICE };
    await pipeline(
      Readable.from(bodyChunks(response.body, limits)),
      createWriteStream(path, { mode: 0o600 }),
    );
    const date = Date.parse(header(response, 'last-modified') ?? '');
    return { lastModified: Number.isNaN(date) ? undefined : new Date(date) };
  });
}

async function follow(connections: Connections, first: URL): Promise<HttpResponse> {
  let url = first;
  for (let hop = 0; hop < REDIRECT_LIMIT; hop += 1) {
    const response = await connections.send(url, { method: 'GET' });
    if (response.status === 200) return response;
    response.body.on('error', () => undefined).destroy();
    const location = header(response, 'location');
    if (response.status < 300 || response.status >= 400 || location === undefined)
      throw refusal(url, response.status);
    const next = new URL(location, url);
    if (url.protocol === 'https:' && next.protocol !== 'https:') {
      throw new ArchBuildError(
        'NETWORK',
        `${url.host} redirects to ${next.protocol}//${next.host}, away from TLS`,
      );
    }
    url = next;
  }
  throw new ArchBuildError('NETWORK', `${first.href} redirects more than ${REDIRECT_LIMIT} times`);
}

function refusal(url: URL, status: number): ArchBuildError {
  const message = `${url.host} answers ${status} for ${url.pathname}`;
  return status >= 500 || status === 429
    ? new TransientError('NETWORK', message)
    : new ArchBuildError('NETWORK', message);
}
