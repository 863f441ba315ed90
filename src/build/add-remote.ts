/** What ADD gets from elsewhere: files by URL and git repositories. */
import { ArchBuildError } from '../errors.ts';
import { openRepositories } from './add-repository.ts';
import { isUrl, openDownloads, type Downloads, type RemoteOptions } from './add-url.ts';
import { isGitRepository } from './git-source.ts';
import type { Job } from './options.ts';

export const isRemote = (word: string): boolean => isUrl(word) || isGitRepository(word);

/** Throws what `openDownloads` and `openRepositories` throw. */
export async function openRemotes(
  job: Job,
  words: readonly string[],
  options: RemoteOptions,
): Promise<Downloads> {
  if (options.checksum !== undefined && words.length !== 1)
    throw new ArchBuildError('ADD', '--checksum needs exactly one URL');
  const urls = words.filter((word) => !isGitRepository(word));
  const files = await openDownloads(job, urls, options);
  const repositories = await openRepositories(job, words.filter(isGitRepository), options);
  return {
    fingerprint: JSON.stringify([files.fingerprint, repositories.fingerprint]),
    sources: async () => [...(await files.sources()), ...(await repositories.sources())],
  };
}
