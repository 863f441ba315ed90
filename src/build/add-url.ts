/** ADD of a URL: fetched once before the step, so that the cache key speaks of what was fetched. */
import { createHash } from 'node:crypto';
import { createReadStream, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import { selectSources, type SelectedSource } from './copy-sources.ts';
import { offlineError } from './offline-error.ts';
import type { BuildOptions, Job } from './options.ts';

export const isUrl = (word: string): boolean => /^https?:\/\//i.test(word);

export interface RemoteOptions {
  readonly checksum: string | undefined;
  readonly offline: boolean;
  /** Of repositories: `.git` is copied, too. */
  readonly keepGitDir: boolean;
  readonly exclude: readonly string[];
  readonly sshAgents: BuildOptions['sshAgents'];
  readonly insecure: BuildOptions['insecure'];
}

export interface Downloads {
  /** Changes when a file or its name does. */
  readonly fingerprint: string;
  sources(): Promise<SelectedSource[]>;
}

/** Files get mode 0600 and the server's Last-Modified. Throws ADD for a name or checksum that does not fit, NETWORK. */
export async function openDownloads(
  job: Job,
  urls: readonly string[],
  { checksum, offline, insecure }: Pick<RemoteOptions, 'checksum' | 'offline' | 'insecure'>,
): Promise<Downloads> {
  if (offline && urls[0] !== undefined)
    throw offlineError(`ADD ${urls.join(' ')}`, 'put the file into the build context and COPY it');
  const files: { directory: string; name: string; digest: string }[] = [];
  for (const url of urls) {
    const name = fileName(url);
    const directory = job.store.makeDirectory('download');
    const path = join(directory, name);
    const { downloadFile } = await import('../transfer/download.ts'); // only now: it brings an HTTP client
    const { signal, report } = job;
    const { lastModified } = await downloadFile(url, path, { insecure, signal, report });
    if (lastModified !== undefined) utimesSync(path, lastModified, lastModified);
    const digest = await digestOfFile(path);
    if (checksum !== undefined && checksum !== digest) {
      throw new ArchBuildError('ADD', `${url} is ${digest}, not ${checksum}`, {
        hint: 'the file changed, or --checksum is wrong',
      });
    }
    files.push({ directory, name, digest });
  }
  return {
    fingerprint: JSON.stringify(files.map(({ name, digest }) => [name, digest])),
    sources: async () => {
      const selected = files.map(({ directory, name }) =>
        selectSources(new MergedTree([directory], { plain: true }), [name]),
      );
      return (await Promise.all(selected)).flat();
    },
  };
}

/** The last part of the URL's path. */
function fileName(url: string): string {
  const name = decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '');
  if (name !== '' && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0'))
    return name;
  throw new ArchBuildError('ADD', `${url} ends in no file name`, {
    hint: 'add a URL that ends in the name of a file',
  });
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}`;
}
